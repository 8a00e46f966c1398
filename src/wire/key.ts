import { z } from 'zod'
import { Name } from './field.ts'
import { idOf } from './id.ts'
import { pageQuery } from './page.ts'

export const KeyId = idOf('key')

/** What a key is good for; each scope includes those before it. */
export const Scope = z.enum(['read', 'write', 'admin'])
export type Scope = z.infer<typeof Scope>

/** `POST /v1/keys`. The limits: null = what the settings say for every key. */
export const CreateKey = z.object({
  name: Name.min(1).describe('Who or what uses it'),
  scope: Scope.default('write').describe(
    '`read`: GET, and resuming streams; `write`: sending and changing; `admin`: keys, too',
  ),
  expires_at: z.iso.datetime({ offset: true }).nullish().describe('From then on it opens nothing; null = never'),
  requests_per_minute: z.int().min(1).nullish(),
  tokens_per_day: z.int().min(1).nullish(),
})
export type CreateKey = z.infer<typeof CreateKey>

/** A key as it is listed: never the key itself. */
export const Key = z.object({
  id: z.string(),
  name: z.string(),
  scope: Scope,
  requests_per_minute: z.int().nullable(),
  tokens_per_day: z.int().nullable(),
  created_at: z.string(),
  last_used_at: z.string().nullable().describe('To the minute'),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
})
export type Key = z.infer<typeof Key>

/** The answer to `POST /v1/keys`, once. */
export const NewKey = Key.extend({ key: z.string().describe('Shown now and never again') })
export type NewKey = z.infer<typeof NewKey>

export const ListKeysQuery = pageQuery({ limit: 100, order: 'asc' })
export type ListKeysQuery = z.infer<typeof ListKeysQuery>

/** What opens one stream for one who cannot send headers. */
export const Ticket = z.object({ ticket: z.string(), expires_at: z.string() })
export type Ticket = z.infer<typeof Ticket>
