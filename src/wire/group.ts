import { z } from 'zod'
import { list, Name, Text, unlessNull } from './field.ts'
import { AgentId, BlockId } from './id.ts'
import { pageQuery } from './page.ts'

export const ManagerType = z.enum(['round_robin', 'supervisor', 'dynamic', 'sleeptime', 'voice_sleeptime', 'swarm'])
export type ManagerType = z.infer<typeof ManagerType>

const maxTurns = z.int().min(1).describe('Turns of members; null = one for each')
const frequency = z.int().min(1).describe('Every how many turns the background agents work; null = every turn')
const bufferLength = z.int().min(5)

/** Which settings a manager has (groups.md §2.3); any other of these has no effect on it. */
const settingsOf: Record<ManagerType, string[]> = {
  round_robin: ['max_turns'],
  supervisor: ['manager_agent_id'],
  dynamic: ['manager_agent_id', 'termination_token', 'max_turns'],
  sleeptime: ['manager_agent_id', 'sleeptime_agent_frequency'],
  voice_sleeptime: ['manager_agent_id', 'max_message_buffer_length', 'min_message_buffer_length'],
  swarm: ['max_turns'],
}

/** The manager of a new group, and of a stored one after a change: all that it needs is there. */
export const ManagerConfig = withoutIdleSettings(
  z.discriminatedUnion('manager_type', [
    z.object({ manager_type: z.literal('round_robin'), max_turns: maxTurns.nullable().default(null) }),
    z.object({ manager_type: z.literal('supervisor'), manager_agent_id: AgentId }),
    z.object({
      manager_type: z.literal('dynamic'),
      manager_agent_id: AgentId,
      termination_token: Name.nullable().default('DONE!').describe('The manager says it to end the conversation'),
      max_turns: maxTurns.nullable().default(null),
    }),
    z.object({
      manager_type: z.literal('sleeptime'),
      manager_agent_id: AgentId,
      sleeptime_agent_frequency: frequency.nullable().default(null),
    }),
    z
      .object({
        manager_type: z.literal('voice_sleeptime'),
        manager_agent_id: AgentId,
        max_message_buffer_length: bufferLength.nullable().default(null),
        min_message_buffer_length: bufferLength.nullable().default(null),
      })
      .superRefine(checkBuffers),
    z.object({
      manager_type: z.literal('swarm').describe('Ours (design §5 row 18): members hand over to each other'),
      max_turns: maxTurns.nullable().default(null),
    }),
  ]),
)
export type ManagerConfig = z.infer<typeof ManagerConfig>

const newManager = unlessNull(AgentId)

/** Absent = unchanged, null = none (design §5 row 22); a manager cannot be none. The whole is a `ManagerConfig` again. */
export const ManagerConfigUpdate = withoutIdleSettings(
  z.discriminatedUnion('manager_type', [
    z.object({ manager_type: z.literal('round_robin'), max_turns: maxTurns.nullish() }),
    z.object({ manager_type: z.literal('supervisor'), manager_agent_id: newManager }),
    z.object({
      manager_type: z.literal('dynamic'),
      manager_agent_id: newManager,
      termination_token: Name.nullish(),
      max_turns: maxTurns.nullish(),
    }),
    z.object({
      manager_type: z.literal('sleeptime'),
      manager_agent_id: newManager,
      sleeptime_agent_frequency: frequency.nullish(),
    }),
    z
      .object({
        manager_type: z.literal('voice_sleeptime'),
        manager_agent_id: newManager,
        max_message_buffer_length: bufferLength.nullish(),
        min_message_buffer_length: bufferLength.nullish(),
      })
      .superRefine(checkBuffers),
    z.object({ manager_type: z.literal('swarm'), max_turns: maxTurns.nullish() }),
  ]),
)
export type ManagerConfigUpdate = z.infer<typeof ManagerConfigUpdate>

export const GroupCreate = z.object({
  agent_ids: z.array(AgentId).max(1000).describe('In speaking order'),
  description: Text.describe('What the group is for; members read it'),
  manager_config: ManagerConfig.default({ manager_type: 'round_robin', max_turns: null }),
  project_id: Name.nullish(),
  shared_block_ids: list(BlockId).describe('Deprecated: linked to every member'),
  hidden: z.boolean().nullish(),
})
export type GroupCreate = z.infer<typeof GroupCreate>

export const GroupUpdate = z.object({
  agent_ids: unlessNull(z.array(AgentId).max(1000)),
  description: unlessNull(Text),
  manager_config: unlessNull(ManagerConfigUpdate),
  project_id: Name.nullish(),
  shared_block_ids: unlessNull(z.array(BlockId).max(1000)),
  hidden: z.boolean().nullish(),
})
export type GroupUpdate = z.infer<typeof GroupUpdate>

/** A group as it goes out: its manager's settings are flat (groups.md §2.2). */
export const Group = z.object({
  id: z.string(),
  manager_type: ManagerType,
  agent_ids: z.array(z.string()),
  description: z.string(),
  project_id: z.string().nullable(),
  template_id: z.string().nullable(),
  base_template_id: z.string().nullable(),
  deployment_id: z.string().nullable(),
  shared_block_ids: z.array(z.string()),
  manager_agent_id: z.string().nullable(),
  termination_token: z.string().nullable(),
  max_turns: z.int().nullable(),
  sleeptime_agent_frequency: z.int().nullable(),
  turns_counter: z.int().nullable(),
  last_processed_message_id: z.string().nullable(),
  max_message_buffer_length: z.int().nullable(),
  min_message_buffer_length: z.int().nullable(),
  hidden: z.boolean().nullable(),
})
export type Group = z.infer<typeof Group>

/** `GET /v1/groups/` (groups.md §2.4). */
export const ListGroupsQuery = pageQuery({ limit: 50, order: 'asc' }).extend({
  manager_type: ManagerType.optional(),
  project_id: Name.optional(),
  show_hidden_groups: z.stringbool().default(false),
})
export type ListGroupsQuery = z.infer<typeof ListGroupsQuery>

/** A setting of another manager would do nothing here: say so (design §5 row 21). Null sets nothing. */
function withoutIdleSettings<T extends z.ZodType>(schema: T) {
  return z.preprocess((config, context) => {
    if (typeof config !== 'object' || config === null || !('manager_type' in config)) return config
    const type = ManagerType.safeParse(config.manager_type).data
    if (!type) return config
    const others = new Set(Object.values(settingsOf).flat()).difference(new Set(settingsOf[type]))
    for (const [key, value] of Object.entries(config)) {
      if (value === null || !others.has(key)) continue
      context.addIssue({ code: 'custom', path: [key], message: `${key} has no effect on a ${type} group`, input: value })
    }
    return config
  }, schema)
}

/** Both or neither, and the longer one is longer; what an update leaves out is not known here (groups.md §2.3). */
function checkBuffers(
  buffers: { max_message_buffer_length?: number | null; min_message_buffer_length?: number | null },
  context: z.RefinementCtx,
) {
  const { max_message_buffer_length: max, min_message_buffer_length: min } = buffers
  const path = ['max_message_buffer_length']
  if ((max === null && typeof min === 'number') || (min === null && typeof max === 'number')) {
    context.addIssue({
      code: 'custom',
      path,
      message: 'Give both max_message_buffer_length and min_message_buffer_length, or neither',
    })
  } else if (typeof max === 'number' && typeof min === 'number' && max <= min) {
    context.addIssue({
      code: 'custom',
      path,
      message: `max_message_buffer_length (${max}) must be greater than min_message_buffer_length (${min})`,
    })
  }
}
