import { signal } from '@preact/signals'

/** What a screen reader is told: whole utterances, never tokens. */
export const announcement = signal('')

export function announce(text: string): void {
  announcement.value = text.slice(0, 1000)
}
