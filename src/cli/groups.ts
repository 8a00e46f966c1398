import type { AgentState } from '../wire/agent.ts'
import type { Group } from '../wire/group.ts'
import { type Client, clientOf, clientOptions } from './client.ts'
import { type Command, UsageError } from './command.ts'
import { say, styled } from './terminal.ts'

export const command: Command = {
  usage: '',
  summary: 'the groups of a running server, and who is in them',
  options: clientOptions,
  async run(given) {
    const client = clientOf(given)
    const groups = await client.all<Group>('/v1/groups/')
    if (groups.length === 0) say('There is no group yet.')
    for (const line of await linesOf(client, groups)) say(line)
    return 0
  },
}

async function linesOf(client: Client, groups: Group[]): Promise<string[]> {
  const names = new Map((await client.all<AgentState>('/v1/agents/')).map(({ id, name }) => [id, name]))
  return groups.map(({ id, manager_type, agent_ids, description }) => {
    const members = agent_ids.map((agent) => names.get(agent) ?? agent).join(', ')
    return `${styled('bold', id)}  ${manager_type}  ${members}  ${styled('dim', description)}`
  })
}

/**
 * The group that a person means: by its id, or by words of its description; without any word the only one.
 *
 * @throws {UsageError} that lists what there is
 */
export async function meantGroup(client: Client, word: string | undefined): Promise<Group> {
  if (word?.startsWith('group-')) return await client.get(`/v1/groups/${word}`)
  const all = await client.all<Group>('/v1/groups/')
  const meant = all.filter(({ description }) => description.toLowerCase().includes((word ?? '').toLowerCase()))
  if (meant.length === 1) return meant[0]!
  const lines = await linesOf(client, meant.length > 0 ? meant : all)
  throw new UsageError([meant.length === 0 ? `There is no group ${word ?? 'yet'}` : 'Which group?', ...lines].join('\n'))
}
