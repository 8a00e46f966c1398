import { Hono } from 'hono'
import { z } from 'zod'
import { newKey } from '../auth/keyring.ts'
import { Conflict } from '../errors.ts'
import type { Caller, Services } from '../services.ts'
import { CreateKey, type Key, KeyId, ListKeysQuery, type NewKey } from '../wire/key.ts'
import { validate } from './validate.ts'

/** `/v1/keys`: those of the caller's own tenant. */
export const keyRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false })
    .post('/', validate('json', CreateKey), async (c) => {
      const create = c.req.valid('json')
      // The first key locks the door behind whoever made it.
      if (!c.var.key && create.scope !== 'admin')
        throw new Conflict('The first key must have the scope admin: it makes the others')
      const { key, hash } = newKey()
      return c.json({ ...(await store.createKey(c.var.tenant, hash, create)), key } satisfies NewKey)
    })
    .get('/', validate('query', ListKeysQuery), async (c) => {
      return c.json((await store.listKeys(c.var.tenant, c.req.valid('query'))) satisfies Key[])
    })
    .delete('/:key_id', validate('param', z.object({ key_id: KeyId })), async (c) => {
      return c.json((await store.revokeKey(c.var.tenant, c.req.valid('param').key_id)) satisfies Key)
    })
