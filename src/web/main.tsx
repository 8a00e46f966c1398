import { render } from 'preact'
import { applyTheme } from './model/theme.ts'
import { App } from './parts/app.tsx'

applyTheme()
render(<App />, document.body)
