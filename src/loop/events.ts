import { newId } from '../wire/id.ts'
import { type EventMessage, wireDate } from '../wire/message.ts'

/** Something that nobody said, for whoever reads the stream; lists do not have it (streaming.md §3.10). */
export const eventMessage = (
  runId: string,
  event_type: EventMessage['event_type'],
  event_data: EventMessage['event_data'],
): EventMessage => ({
  id: newId('event'),
  date: wireDate(Date.now()),
  name: null,
  message_type: 'event_message',
  otid: null,
  sender_id: null,
  step_id: null,
  is_err: null,
  seq_id: null,
  run_id: runId,
  event_type,
  event_data,
})

export interface Withdrawal {
  step_id: string
  /** Of all that it had shown: a reader forgets these messages. */
  otids: string[]
  /** What a person is told. */
  reason: string
}

/** What a step had shown by then does not count: it is made again (design §5 row 7). */
export const stepRetry = (runId: string, withdrawal: Withdrawal): EventMessage =>
  eventMessage(runId, 'step_retry', { ...withdrawal })

/** The model was not to be had, and is asked again after a while (faults.md F37). */
export const modelRetry = (
  runId: string,
  step_id: string,
  retry: { attempt: number; waitMs: number; reason: string },
): EventMessage =>
  eventMessage(runId, 'model_retry', { step_id, attempt: retry.attempt, wait_ms: retry.waitMs, reason: retry.reason })

/** These calls may have been run before, and are run again with the same key each (faults.md F5). */
export const toolRetry = (runId: string, step_id: string, calls: { id: string }[]): EventMessage =>
  eventMessage(runId, 'tool_retry', { step_id, tool_call_ids: calls.map(({ id }) => id) })
