import { openAiDialect } from '../support/scripted-dialects.ts'
import { cutAnywhere } from './cut-anywhere.ts'

cutAnywhere('openai/scripted', openAiDialect)
