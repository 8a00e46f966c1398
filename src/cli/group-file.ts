import { parse as parseYaml, stringify } from 'yaml'
import { z } from 'zod'
import { AgentType } from '../wire/agent.ts'
import { Metadata } from '../wire/field.ts'
import { ManagerType } from '../wire/group.ts'
import { ModelSettings } from '../wire/model.ts'
import { CreateTool, ToolRule } from '../wire/tool.ts'

const Word = z.string().min(1).max(200)

const BlockInFile = z.strictObject({
  label: Word,
  value: z.string(),
  description: z.string().optional(),
  limit: z.int().min(1).optional(),
  read_only: z.boolean().optional(),
})
export type BlockInFile = z.infer<typeof BlockInFile>

/** What is left out is left as it is. */
const AgentInFile = z.strictObject({
  name: Word,
  type: AgentType.optional(),
  model: Word.optional(),
  description: z.string().optional(),
  system: z.string().optional(),
  memory: z.array(BlockInFile).default([]),
  tools: z.array(Word).optional(),
  tool_rules: z.array(ToolRule).optional(),
  tags: z.array(Word).optional(),
  model_settings: ModelSettings.optional(),
  metadata: Metadata.optional(),
  timezone: Word.optional(),
})
export type AgentInFile = z.infer<typeof AgentInFile>

const ManagerInFile = z.strictObject({
  type: ManagerType.default('round_robin'),
  agent: Word.optional().describe('The name of the agent that decides, where there is one'),
  max_turns: z.int().min(1).optional(),
  termination_token: z.string().optional(),
  sleeptime_agent_frequency: z.int().min(1).optional(),
  max_message_buffer_length: z.int().optional(),
  min_message_buffer_length: z.int().optional(),
})

/** A whole group as one file: it is what the server shall have, under the name `group`. */
export const GroupFile = z
  .strictObject({
    group: Word.describe('Its name; on the server, the project of everything in here'),
    description: z.string().default(''),
    manager: ManagerInFile.default({ type: 'round_robin' }),
    members: z.array(Word).optional().describe('Who speaks, in order; by default all agents but the manager’s'),
    agents: z.array(AgentInFile).min(1),
    shared_memory: z.array(BlockInFile).default([]),
    tools: z.array(CreateTool).default([]).describe('Tools of one’s own that the agents use'),
  })
  .superRefine(({ agents, members = [], manager: { agent } }, context) => {
    const names = agents.map(({ name }) => name)
    const twice = names.filter((name, index) => names.indexOf(name) !== index)
    for (const name of twice) context.addIssue({ code: 'custom', path: ['agents'], message: `${name} is there twice` })
    for (const name of [...members, ...(agent === undefined ? [] : [agent])]) {
      if (!names.includes(name)) context.addIssue({ code: 'custom', message: `${name} is not among the agents` })
    }
  })
export type GroupFile = z.infer<typeof GroupFile>

/** Who speaks, in order. */
export const membersOf = ({ members, agents, manager }: GroupFile): string[] =>
  members ?? agents.flatMap(({ name }) => (name === manager.agent ? [] : [name]))

/** @throws {Error} that says what is wrong where, all of it */
export function readGroupFile(text: string): GroupFile {
  const { data, error } = GroupFile.safeParse(parseYaml(text))
  if (error) throw new Error(`The file is not a group:\n${z.prettifyError(error)}`)
  return data
}

export const writeGroupFile = (file: GroupFile): string => stringify(file, { lineWidth: 100 })
