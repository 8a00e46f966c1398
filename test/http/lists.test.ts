import { Letta } from '@letta-ai/letta-client'
import { Letta as LatestLetta } from 'letta-client-latest'
import { describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- an item is whatever the server sent
type Item = any
type Order = 'asc' | 'desc'
interface Query {
  order: Order
  limit: number
}
type Clients = { old: Letta; latest: LatestLetta }

interface Listed {
  /** The same list through each client that has it. */
  by: ((clients: Clients, query: Query) => AsyncIterable<Item>)[]
  /** Makes one more row. */
  add: () => Promise<unknown>
}

const hi = { messages: [{ role: 'user' as const, content: 'Hi' }] }

/** Every list that a client goes through page by page. */
const lists: Record<string, (server: TestServer) => Promise<Listed>> = {
  async agents({ api }) {
    return { by: [(c, q) => c.old.agents.list(q), (c, q) => c.latest.agents.list(q)], add: () => api.agent() }
  },
  async 'an agent’s messages'({ api }) {
    const { id } = await api.agent()
    return {
      by: [
        (c, q) => c.old.agents.messages.list(id, q),
        (c, q) => c.latest.agents.messages.list(id, q),
        (c, q) => c.latest.conversations.messages.list(id, q),
        (c, q) => c.latest.conversations.messages.list('default', { ...q, agent_id: id }),
      ],
      add: () => api.post(`/v1/agents/${id}/messages`, hi),
    }
  },
  async 'an agent’s blocks'({ api }) {
    const { id } = await api.agent()
    let n = 0
    return {
      by: [(c, q) => c.old.agents.blocks.list(id, q), (c, q) => c.latest.agents.blocks.list(id, q)],
      async add() {
        const block = await api.post<Item>('/v1/blocks/', { label: `block${n++}`, value: '' })
        await api.patch(`/v1/agents/${id}/core-memory/blocks/attach/${block.id}`)
      },
    }
  },
  async 'an agent’s tools'({ api }) {
    const { id } = await api.agent()
    let n = 0
    return {
      by: [(c, q) => c.old.agents.tools.list(id, q), (c, q) => c.latest.agents.tools.list(id, q)],
      async add() {
        const tool = await api.post<Item>('/v1/tools/', toolNamed(`own${n++}`))
        await api.patch(`/v1/agents/${id}/tools/attach/${tool.id}`)
      },
    }
  },
  async 'an agent’s groups'({ api }) {
    const { id } = await api.agent()
    return {
      by: [(c, q) => c.old.agents.groups.list(id, q)],
      add: () => api.post('/v1/groups/', { agent_ids: [id], description: '' }),
    }
  },
  async blocks({ api }) {
    return {
      by: [(c, q) => c.old.blocks.list(q), (c, q) => c.latest.blocks.list(q)],
      add: () => api.post('/v1/blocks/', { label: 'any', value: '' }),
    }
  },
  async 'a block’s agents'({ api }) {
    const { id } = await api.post<Item>('/v1/blocks/', { label: 'any', value: '' })
    return {
      by: [(c, q) => c.old.blocks.agents.list(id, q), (c, q) => c.latest.blocks.agents.list(id, q)],
      add: () => api.agent({ block_ids: [id] }),
    }
  },
  async tools({ api }) {
    let n = 0
    return {
      by: [(c, q) => c.old.tools.list(q), (c, q) => c.latest.tools.list(q)],
      add: () => api.post('/v1/tools/', toolNamed(`own${n++}`)),
    }
  },
  async groups({ api }) {
    return {
      by: [(c, q) => c.old.groups.list(q)],
      add: () => api.post('/v1/groups/', { agent_ids: [], description: '' }),
    }
  },
  async 'a group’s messages'({ api }) {
    const { id } = await api.group(['ana', 'ben'])
    return { by: [(c, q) => c.old.groups.messages.list(id, q)], add: () => api.post(`/v1/groups/${id}/messages`, hi) }
  },
  async runs({ api }) {
    const { id } = await api.agent()
    return {
      by: [(c, q) => c.old.runs.list(q), (c, q) => c.latest.runs.list(q)],
      add: () => api.post(`/v1/agents/${id}/messages`, hi),
    }
  },
  async steps({ api }) {
    const { id } = await api.agent()
    return {
      by: [(c, q) => c.old.steps.list(q), (c, q) => c.latest.steps.list(q)],
      add: () => api.post(`/v1/agents/${id}/messages`, hi),
    }
  },
  async 'a run’s messages'(server) {
    const { run, add } = await goingRun(server)
    return { by: [(c, q) => c.old.runs.messages.list(run, q), (c, q) => c.latest.runs.messages.list(run, q)], add }
  },
  async 'a run’s steps'(server) {
    const { run, add } = await goingRun(server)
    return { by: [(c, q) => c.old.runs.steps.list(run, q), (c, q) => c.latest.runs.steps.list(run, q)], add }
  },
}

const toolNamed = (name: string) => ({
  source_type: 'typescript',
  source_code: `export function ${name}() { return 1 }`,
  json_schema: { name, description: '', parameters: { type: 'object', properties: {} } },
})

/** A run of as many turns as one likes; each is made by `add`. */
async function goingRun({ api, llm }: TestServer) {
  const { id } = await api.group(['ana', 'ben'], { manager_config: { manager_type: 'round_robin', max_turns: 40 } })
  let release = () => {}
  llm.script(async () => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return { text: 'Well.' }
  })
  const { id: run } = await api.post<Item>(`/v1/groups/${id}/messages/async`, hi)
  return {
    run,
    async add() {
      await llm.received(1)
      const next = llm.received(llm.requests.length + 1)
      release()
      // The next turn begins when this one is stored.
      await next
    },
  }
}

async function start() {
  const server = await startServer()
  const options = { baseURL: server.url, apiKey: 'any' }
  return { server, clients: { old: new Letta(options), latest: new LatestLetta(options) } }
}

/** Items of one row share its id. */
const keyOf = (item: Item) => [item.id, item.message_type, item.otid].filter(Boolean).join(' ')

describe.each(Object.keys(lists))('%s', (name) => {
  test.each([1, 2, 5])('in pages of %i are visited once each, in either order, while rows are added', async (limit) => {
    const { server, clients } = await start()
    const { by, add } = await lists[name]!(server)
    for (let n = 0; n < 4; n++) await add()
    for (const list of by) {
      const walk = async (order: Order, onFirst: () => Promise<unknown>) => {
        const keys: string[] = []
        for await (const item of list(clients, { limit, order })) {
          if (keys.push(keyOf(item)) === 1) await onFirst()
        }
        return keys
      }
      const before = await walk('asc', async () => {})
      expect(new Set(before).size).toBe(before.length)
      expect(before.length).toBeGreaterThanOrEqual(4)
      const rowsOf = (keys: string[]) => [...new Set(keys.map((key) => key.split(' ')[0]!))]
      // What is added is newer than all: behind the end of one order, before the start of the other.
      const descending = await walk('desc', add)
      expect(new Set(descending)).toEqual(new Set(before))
      expect(descending.length).toBe(before.length)
      expect(rowsOf(descending)).toEqual(rowsOf(before).toReversed())
      const ascending = await walk('asc', add)
      expect(ascending.slice(0, before.length)).toEqual(before)
      expect(new Set(ascending).size).toBe(ascending.length)
      const after = await walk('asc', async () => {})
      // All but what was added behind a last page that had been read already.
      expect(after.slice(0, ascending.length)).toEqual(ascending)
      expect(after.length).toBeGreaterThan(before.length)
      if (limit < 5) expect(ascending).toEqual(after)
    }
  })
})

test('messages of all agents, tags and steps’ messages are walked by their cursors, in either order', async () => {
  const { server, clients } = await start()
  const { api } = server
  const group = await api.group(['ana', 'ben'])
  for (let n = 0; n < 3; n++) await api.post(`/v1/groups/${group.id}/messages`, hi)
  const step = (await api.get<Item[]>('/v1/steps/?limit=1'))[0].id
  for (const client of [clients.old, clients.latest]) {
    expect(await Array.fromAsync(client.steps.messages.list(step, { limit: 1 }) as AsyncIterable<Item>)).toHaveLength(1)
  }
  const all = await api.get<Item[]>('/v1/messages/?order=asc&limit=1000')
  for (const order of ['asc', 'desc'] as const) {
    const seen: string[] = []
    for (let page: Item[], after: string | undefined; ; after = page.at(-1).id) {
      page = (await clients.latest.messages.list({ order, limit: 2, ...(after && { after }) })) as Item[]
      if (page.length === 0) break
      seen.push(...page.map(keyOf))
    }
    expect(seen).toEqual((order === 'asc' ? all : all.toReversed()).map(keyOf))
  }
})

test.each(['updated_at', 'last_run_completion'] as const)('agents are walked by %s, those without it last', async (by) => {
  const { server } = await start()
  const { api } = server
  const made: string[] = []
  for (let n = 0; n < 6; n++) made.push((await api.agent()).id)
  for (const n of [4, 1, 2]) await api.post(`/v1/agents/${made[n]}/messages`, hi)
  for (const n of [3, 0]) await api.patch(`/v1/agents/${made[n]}`, { description: 'changed' })
  const agents = await api.get<Item[]>('/v1/agents/?order=asc')
  for (const order of ['asc', 'desc'] as const) {
    const sign = order === 'asc' ? 1 : -1
    const expected = agents
      .toSorted((a, b) => {
        if ((a[by] === null) !== (b[by] === null)) return a[by] === null ? 1 : -1
        return sign * ((a[by] ?? '').localeCompare(b[by] ?? '') || made.indexOf(a.id) - made.indexOf(b.id))
      })
      .map(({ id }) => id)
    const page = async (query: string) =>
      (await api.get<Item[]>(`/v1/agents/?order_by=${by}&order=${order}&${query}`)).map(({ id }) => id)
    expect(await page('')).toEqual(expected)
    for (const limit of [1, 2, 4]) {
      const forth: string[] = []
      for (let ids = await page(`limit=${limit}`); ids.length > 0; ids = await page(`limit=${limit}&after=${ids.at(-1)}`))
        forth.push(...ids)
      expect(forth).toEqual(expected)
      const back = [expected.at(-1)!]
      for (
        let ids = await page(`limit=${limit}&before=${back[0]}`);
        ids.length > 0;
        ids = await page(`limit=${limit}&before=${back[0]}`)
      )
        back.unshift(...ids)
      expect(back).toEqual(expected)
    }
  }
})

test('an unknown cursor is a 404 on every list, in either direction', async () => {
  const { server } = await start()
  const { api } = server
  const agent = await api.agent()
  const group = await api.group(['ana'])
  const block = await api.post<Item>('/v1/blocks/', { label: 'any', value: '' })
  const answer = await api.call('POST', `/v1/agents/${agent.id}/messages`, hi)
  const run = answer.headers.get('x-letta-run-id')
  const [{ id: step }] = await api.get<Item[]>('/v1/steps/')
  const paths = [
    'agents',
    `agents/${agent.id}/messages`,
    `agents/${agent.id}/core-memory/blocks`,
    `agents/${agent.id}/tools`,
    `agents/${agent.id}/groups`,
    'blocks',
    `blocks/${block.id}/agents`,
    `conversations/${agent.id}/messages`,
    'groups',
    `groups/${group.id}/messages`,
    'messages',
    'runs',
    `runs/${run}/messages`,
    `runs/${run}/steps`,
    'steps',
    `steps/${step}/messages`,
    'tools',
  ]
  for (const path of paths) {
    for (const cursor of ['before', 'after']) {
      expect((await api.call('GET', `/v1/${path}?${cursor}=nobody`)).status, `${path} ${cursor}`).toBe(404)
    }
  }
})

test('counts are those of the lists with the same filters', async () => {
  const { server } = await start()
  const { api } = server
  for (const name of ['ana', 'ben', 'anabel'])
    await api.agent({ name, tags: name === 'ben' ? ['b'] : ['a', 'x'], hidden: name === 'anabel' })
  for (const label of ['plan', 'plan', 'human']) await api.post('/v1/blocks/', { label, value: label, tags: [label] })
  for (const hidden of [true, false, null]) await api.post('/v1/groups/', { agent_ids: [], description: '', hidden })
  const counted: [path: string, queries: string[]][] = [
    [
      'agents',
      [
        '',
        'name=ana',
        'query_text=AN',
        'tags=a',
        'tags=a&tags=x&match_all_tags=true',
        'tags=a&tags=b',
        'show_hidden_agents=true',
      ],
    ],
    [
      'blocks',
      ['', 'label=plan', 'tags=plan', 'tags=plan&tags=human', 'tags=plan&tags=human&match_all_tags=true', 'value_search=HU'],
    ],
    ['tools', ['', 'search=memory', 'tool_types=custom', 'exclude_tool_types=letta_core', 'return_only_letta_tools=true']],
    ['groups', ['']],
  ]
  for (const [path, queries] of counted) {
    for (const query of queries) {
      const listed = await api.get<Item[]>(`/v1/${path}/?limit=1000&${query}`)
      expect(await api.get<number>(`/v1/${path}/count?${query}`), `${path}?${query}`).toBe(listed.length)
    }
  }
})
