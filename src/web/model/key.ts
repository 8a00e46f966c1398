import { signal } from '@preact/signals'

const NAME = 'roundtable.key'

/** The caller's key, kept as long as the tab; undefined where the server needs none. */
export const key = signal<string | undefined>(sessionStorage.getItem(NAME) ?? undefined)

/** Why a key is asked for; undefined while none is. */
export const locked = signal<string | undefined>(undefined)

export function setKey(given: string): void {
  sessionStorage.setItem(NAME, given)
  key.value = given
  locked.value = undefined
}

/** The server does not take what it was given. */
export function refuseKey(): void {
  // Several requests are refused at once; the first says why.
  if (locked.value !== undefined) return
  locked.value = key.value === undefined ? 'This server needs a key.' : 'The server does not take this key.'
  sessionStorage.removeItem(NAME)
  key.value = undefined
}
