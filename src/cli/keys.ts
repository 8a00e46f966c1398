import { newKey } from '../auth/keyring.ts'
import { readConfig } from '../config.ts'
import { openSqlite } from '../db/sqlite.ts'
import { DEFAULT_TENANT, type Store } from '../db/store.ts'
import { CreateKey, type Key, ListKeysQuery, type NewKey } from '../wire/key.ts'
import { clientOf, clientOptions } from './client.ts'
import { type Command, type Given, type Place, UsageError } from './command.ts'
import { say, styled } from './terminal.ts'

/** Where keys are kept, as this command knows it. */
interface Keys {
  create(create: CreateKey): Promise<NewKey>
  list(): Promise<Key[]>
  revoke(id: string): Promise<Key>
}

export const command: Command = {
  usage: '[create <name> | list | revoke <id>]',
  summary: 'API keys; the first one, of scope admin, locks the server',
  options: {
    scope: { type: 'string', help: 'of a new key: read, write (the default) or admin' },
    expires: { type: 'string', help: 'of a new key: a date and time, e.g. 2027-01-01T00:00:00Z' },
    offline: { type: 'boolean', help: 'through the database file of a server that is stopped: for whom it has locked out' },
    tenant: { type: 'string', help: 'with --offline: whose keys; `new` makes a tenant of its own, apart from all others' },
    database: { type: 'string', help: 'that file, file:<path>; DATABASE_URL' },
    ...clientOptions,
  },
  async run(given, place) {
    const [verb = 'list', ...words] = given.words
    const work = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (!work) throw new UsageError(`keys cannot ${verb}: ${Object.keys(verbs).join(', ')}`)
    await (given.flag('offline')
      ? offline(given, place, (keys) => work(keys, words, given))
      : work(online(given), words, given))
    return 0
  },
}

const verbs: Record<string, (keys: Keys, words: string[], given: Given) => Promise<void>> = {
  async create(keys, words, { text }) {
    if (words.length === 0) throw new UsageError('It needs a name: who or what uses the key')
    const { data, error } = CreateKey.safeParse({ name: words.join(' '), scope: text('scope'), expires_at: text('expires') })
    if (error) throw new UsageError(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
    const { id, scope, key } = await keys.create(data)
    process.stderr.write(`${id} (${scope}). It is shown now and never again:\n`)
    say(key)
  },
  async list(keys) {
    const all = await keys.list()
    if (all.length === 0) say('There is no key yet.')
    for (const { id, name, scope, last_used_at: used, expires_at: expires, revoked_at: revoked } of all) {
      const notes = [
        used ? `used ${used}` : 'never used',
        ...(expires ? [`until ${expires}`] : []),
        ...(revoked ? [`revoked ${revoked}`] : []),
      ]
      say(`${styled('bold', id)}  ${scope}  ${name}  ${styled('dim', notes.join(', '))}`)
    }
  },
  async revoke(keys, [id, ...more]) {
    if (id === undefined || more.length > 0) throw new UsageError('It needs the id of one key')
    const { name } = await keys.revoke(id)
    say(`${id} (${name}) opens nothing any more.`)
  },
}

function online(given: Given): Keys {
  const client = clientOf(given)
  return {
    create: (create) => client.send('POST', '/v1/keys/', create),
    list: () => client.all('/v1/keys/'),
    revoke: (id) => client.send('DELETE', `/v1/keys/${encodeURIComponent(id)}`),
  }
}

/** @throws {Error} while a server has the file */
async function offline({ text }: Given, { migrations }: Place, work: (keys: Keys) => Promise<void>): Promise<void> {
  const { databaseUrl } = readConfig(undefined, { DATABASE_URL: text('database') })
  const store = openSqlite(databaseUrl, migrations)
  try {
    const tenant = await tenantOf(store, text('tenant'))
    await work({
      async create(create) {
        const { key, hash } = newKey()
        return { ...(await store.createKey(tenant, hash, create)), key }
      },
      list: () => store.listKeys(tenant, ListKeysQuery.parse({})),
      revoke: (id) => store.revokeKey(tenant, id),
    })
  } finally {
    await store.close()
  }
}

/** @throws {Error} for a tenant that is not there */
async function tenantOf(store: Store, wanted: string | undefined): Promise<string> {
  if (wanted === 'new') {
    const tenant = await store.createTenant()
    process.stderr.write(`The new tenant is ${tenant}\n`)
    return tenant
  }
  await store.ensureTenant(DEFAULT_TENANT)
  const ids = (await store.listTenants()).map(({ id }) => id)
  if (wanted !== undefined && !ids.includes(wanted)) throw new Error(`There is no tenant ${wanted}: ${ids.join(', ')}`)
  return wanted ?? DEFAULT_TENANT
}
