import { z } from 'zod'
import { InvalidArgument, InvalidFields } from '../errors.ts'
import { ManagerConfig, type ManagerConfigUpdate } from '../wire/group.ts'
import type { GroupRow } from './group-state.ts'
import { given } from './patch.ts'

/** A manager's settings are nested on their way in and flat everywhere else; the ones it does not have are null. */
export function columnsOf(config: ManagerConfig) {
  const flat: { [Key in keyof Settings]?: Settings[Key] } = config
  return {
    managerAgentId: flat.manager_agent_id ?? null,
    terminationToken: flat.termination_token ?? null,
    maxTurns: flat.max_turns ?? null,
    sleeptimeAgentFrequency: flat.sleeptime_agent_frequency ?? null,
    maxMessageBufferLength: flat.max_message_buffer_length ?? null,
    minMessageBufferLength: flat.min_message_buffer_length ?? null,
  }
}

/**
 * A group's manager after a PATCH.
 *
 * @throws {InvalidArgument} for another type of manager, {InvalidFields} when the whole does not fit together
 */
export function changedConfig(row: GroupRow, update: ManagerConfigUpdate): ManagerConfig {
  if (update.manager_type !== row.managerType) throw new InvalidArgument('Cannot change group pattern after creation')
  const before: Settings = {
    manager_agent_id: row.managerAgentId,
    termination_token: row.terminationToken,
    max_turns: row.maxTurns,
    sleeptime_agent_frequency: row.sleeptimeAgentFrequency,
    max_message_buffer_length: row.maxMessageBufferLength,
    min_message_buffer_length: row.minMessageBufferLength,
  }
  const whole = { manager_config: { ...before, ...given(update) } }
  const { data, error } = Whole.safeParse(whole)
  if (error) throw new InvalidFields('body', error, whole)
  return data.manager_config
}

interface Settings {
  manager_agent_id: string | null
  termination_token: string | null
  max_turns: number | null
  sleeptime_agent_frequency: number | null
  max_message_buffer_length: number | null
  min_message_buffer_length: number | null
}

const Whole = z.object({ manager_config: ManagerConfig })
