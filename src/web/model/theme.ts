import { effect, signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

const NAME = 'roundtable.theme'
const stored = localStorage.getItem(NAME)

export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system')

/** From now on the page is shown as chosen, and the choice is kept. */
export const applyTheme = () =>
  effect(() => {
    const chosen = theme.value
    if (chosen === 'system') localStorage.removeItem(NAME)
    else localStorage.setItem(NAME, chosen)
    document.documentElement.dataset['theme'] = chosen
  })
