import { Hono } from 'hono'
import { z } from 'zod'
import { newKey } from '../auth/keyring.ts'
import { Conflict } from '../errors.ts'
import type { Caller, Services } from '../services.ts'
import { CreateKey, Key, KeyId, ListKeysQuery, NewKey } from '../wire/key.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

/** `/v1/keys`: those of the caller's own tenant. */
export const keyRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false })
    .post(
      '/',
      answers('Make an API key; the first one locks the server', NewKey, { body: { name: 'a bot', scope: 'write' } }),
      validate('json', CreateKey),
      async (c) => {
        const create = c.req.valid('json')
        // The first key locks the door behind whoever made it.
        if (!c.var.key && create.scope !== 'admin')
          throw new Conflict('The first key must have the scope admin: it makes the others')
        const { key, hash } = newKey()
        return c.json({ ...(await store.createKey(c.var.tenant, hash, create)), key } satisfies NewKey)
      },
    )
    .get('/', answers('List API keys', z.array(Key)), validate('query', ListKeysQuery), async (c) => {
      return c.json((await store.listKeys(c.var.tenant, c.req.valid('query'))) satisfies Key[])
    })
    .delete('/:key_id', answers('Revoke an API key', Key), validate('param', z.object({ key_id: KeyId })), async (c) => {
      return c.json((await store.revokeKey(c.var.tenant, c.req.valid('param').key_id)) satisfies Key)
    })
