import type { Command } from './command.ts'

/** Each is read only when it is asked for: the server starts without them. */
export const commands: Record<string, () => Promise<{ command: Command }>> = {
  serve: () => import('./serve.ts'),
  doctor: () => import('./doctor.ts'),
  demo: () => import('./demo.ts'),
  chat: () => import('./chat.ts'),
  groups: () => import('./groups.ts'),
  apply: () => import('./apply.ts'),
  export: () => import('./export.ts'),
  import: () => import('./import.ts'),
  keys: () => import('./keys.ts'),
  backup: () => import('./backup.ts'),
}
