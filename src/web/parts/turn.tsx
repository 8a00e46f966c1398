import { hueOf, inHue } from '../model/colours.ts'
import { callsOf, type Item, textOf } from '../model/item.ts'
import type { RunView } from '../model/run-view.ts'
import { Call, Returned } from './call.tsx'
import { Note, wordsOfEvent } from './note.tsx'
import { Speech } from './speech.tsx'
import { Thought } from './thought.tsx'
import './turn.css'

/** What one speaker says and does until somebody else does. */
export interface TurnOf {
  key: string
  /** Undefined for what nobody said. */
  speaker: { id: string; name: string; you: boolean } | undefined
  items: Item[]
}

/**
 * Consecutive messages of the same speaker are one turn, and so is all of one step, though others speak at the same time. Notes
 * stand alone.
 */
export function turnsOf(items: readonly Item[]): TurnOf[] {
  const turns: TurnOf[] = []
  for (const item of items) {
    if (item.attached || item.message.message_type === 'approval_response_message') continue
    const speaker = speakerOf(item)
    const { step_id: step } = item.message
    const last = turns.at(-1)
    const same = step === null ? undefined : turns.findLast(({ items: [first] }) => first?.message.step_id === step)
    const turn = last?.speaker?.id === speaker?.id ? last : same
    if (speaker && turn) turn.items.push(item)
    else turns.push({ key: item.key, speaker, items: [item] })
  }
  return turns
}

function speakerOf({ message }: Item): TurnOf['speaker'] {
  switch (message.message_type) {
    case 'user_message':
      return { id: 'you', name: message.name ?? 'You', you: true }
    case 'system_message':
    case 'event_message':
    case 'summary_message':
      return undefined
    default:
      return { id: message.sender_id ?? message.name ?? '', name: message.name ?? 'Agent', you: false }
  }
}

export function Turn({ turn, run, cast }: { turn: TurnOf; run: RunView; cast: string[] }) {
  const { speaker, items } = turn
  if (!speaker) return <Said item={items[0]!} run={run} />
  return (
    <article
      class={speaker.you ? 'turn you' : 'turn'}
      style={speaker.you ? {} : inHue(hueOf(speaker.id, cast))}
      data-speaker={speaker.name}
    >
      <h3>{speaker.name}</h3>
      <div class="said">
        {items.map((item) => (
          <Said key={item.key} item={item} run={run} />
        ))}
      </div>
    </article>
  )
}

/** One message; it alone is drawn again when it grows: it is the one that reads its signals. */
function Said({ item, run }: { item: Item; run: RunView }) {
  const open = item.version.value >= 0 && run.active.value && run.items.value.at(-1) === item
  const { message } = item
  switch (message.message_type) {
    case 'assistant_message':
      return <Speech text={textOf(message.content)} />
    case 'user_message':
      return <Speech text={textOf(message.content)} />
    case 'reasoning_message':
      return <Thought text={message.reasoning} open={open} />
    case 'hidden_reasoning_message':
      return <Thought text="" open={open} />
    case 'tool_call_message':
    case 'approval_request_message':
      return (
        <>
          {callsOf(message).map((call, index) => (
            <Call key={index} call={call} outcome={item.outcomes.value[call.tool_call_id]} working={run.active.value} />
          ))}
        </>
      )
    case 'tool_return_message':
      return (
        <details class="folded call">
          <summary>
            <code>{message.name}</code> returned
          </summary>
          {message.tool_returns?.map((returned) => (
            <Returned key={returned.tool_call_id} {...returned} />
          ))}
        </details>
      )
    case 'system_message':
      return <Note text={message.content} />
    case 'summary_message':
      return (
        <details class="folded summary">
          <summary>what came before, summarised</summary>
          <Speech text={message.summary} />
        </details>
      )
    case 'event_message':
      return <Note text={wordsOfEvent(message)} />
    default:
      return null
  }
}
