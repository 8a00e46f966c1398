import { anthropicDialect } from '../support/scripted-dialects.ts'
import { cutAnywhere } from './cut-anywhere.ts'

cutAnywhere('anthropic/scripted', anthropicDialect)
