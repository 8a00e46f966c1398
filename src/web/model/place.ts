import { signal } from '@preact/signals'
import type { Target } from './conversation.ts'

/** What is looked at, as the address says: `#/groups/group-…`. */
export const place = signal<Target | undefined>(read())

window.addEventListener('hashchange', () => (place.value = read()))

export const addressOf = ({ kind, id }: Target): string => `#/${kind}/${id}`

export function goTo(target: Target | undefined): void {
  if (target) location.hash = addressOf(target)
  else history.replaceState(null, '', location.pathname)
  place.value = target
}

function read(): Target | undefined {
  const [, kind, id] = /^#\/(groups|agents)\/([a-z0-9-]+)$/.exec(location.hash) ?? []
  return kind && id ? { kind: kind as Target['kind'], id } : undefined
}
