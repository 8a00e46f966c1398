import type { Wanted } from './reading.ts'

/** What the model says: see model.ts. */
export type Script = `paced-${number}-${number}` | `paced-${number}-${number}-${number}` | `burst-${number}` | `silent-1`

export type Dialect = 'openai' | 'anthropic'

/** Makes `count` groups of one agent each, over HTTP, and says how to talk to them. */
export async function serverRequests(url: string, count: number, script: Script, dialect: Dialect): Promise<Wanted[]> {
  const one = async (): Promise<Wanted> => {
    const agent = await post<{ id: string }>(`${url}/v1/agents/`, {
      name: 'ana',
      model: `${dialect}/${script}`,
      memory_blocks: [{ label: 'persona', value: 'You are Ana, an optimist with a love for the sea.' }],
    })
    const group = await post<{ id: string }>(`${url}/v1/groups/`, {
      agent_ids: [agent.id],
      description: 'a bench',
      manager_config: { manager_type: 'round_robin', max_turns: 1 },
    })
    return {
      method: 'POST',
      path: `/v1/groups/${group.id}/messages/stream`,
      body: { input: 'Go on.', stream_tokens: true },
    }
  }
  const requests: Wanted[] = []
  while (requests.length < count) {
    requests.push(...(await Promise.all(Array.from({ length: Math.min(16, count - requests.length) }, one))))
  }
  return requests
}

/** Sends one request and leaves: the run goes on. @returns its id, where there is one */
export async function begin(url: string, { path, body }: Wanted): Promise<string | null> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  const reader = response.body!.getReader()
  await reader.read()
  await reader.cancel()
  return response.headers.get('x-letta-run-id')
}

async function post<T>(url: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}
