import type { Conversation } from '../model/conversation.ts'
import type { RunView } from '../model/run-view.ts'
import { Approvals } from './approval.tsx'
import { Failure } from './failure.tsx'
import { Note } from './note.tsx'
import { Turn, turnsOf } from './turn.tsx'

interface RunBlockProps {
  conversation: Conversation
  run: RunView
  cast: string[]
}

/** A run: what was asked, what was said, how it ended. */
export function RunBlock({ conversation, run, cast }: RunBlockProps) {
  const stop = run.stop.value
  const error = run.error.value
  return (
    <section class="run" data-run={run.id}>
      {turnsOf(run.items.value).map((turn) => (
        <Turn key={turn.key} turn={turn} run={run} cast={cast} />
      ))}
      {conversation.waiting.value === run && <Approvals conversation={conversation} run={run} cast={cast} />}
      {error ? <Failure error={error} /> : stop && endings[stop] && <Note text={endings[stop]} />}
    </section>
  )
}

/** Endings that a reader would not guess. */
const endings: Record<string, string> = {
  cancelled: 'Stopped.',
  max_steps: 'The limit of model calls for one request was reached.',
  max_tokens_exceeded: 'The model came to the end of what it may write at once.',
  no_tool_call: 'The model made no call where it had to.',
  invalid_tool_call: 'The model made a call that cannot be.',
  insufficient_credits: 'The budget is used up.',
}
