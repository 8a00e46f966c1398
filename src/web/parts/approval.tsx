import { useState } from 'preact/hooks'
import type { ToolCall } from '../../wire/message.ts'
import { callsOf } from '../model/item.ts'
import type { Conversation } from '../model/conversation.ts'
import { agentOf } from '../model/directory.ts'
import { hueOf, inHue } from '../model/colours.ts'
import type { RunView } from '../model/run-view.ts'
import { pretty } from './call.tsx'
import './approval.css'

type Answer = { approve: boolean; reason: string } | { result: string; failed: boolean }

interface Asked {
  call: ToolCall
  senderId: string
  name: string
}

/** The calls that wait for an answer. All of a run are answered together. */
export function Approvals({ conversation, run, cast }: { conversation: Conversation; run: RunView; cast: string[] }) {
  const asked = run.open.value.flatMap(({ message, outcomes }): Asked[] =>
    callsOf(message)
      .filter(({ tool_call_id: id }) => outcomes.value[id] === undefined)
      .map((call) => ({ call, senderId: message.sender_id ?? '', name: message.name ?? '' })),
  )
  const [answers, setAnswers] = useState<Record<string, Answer>>({})
  const [failure, setFailure] = useState<string>()
  const [sending, setSending] = useState(false)

  const give = async (id: string, answer: Answer) => {
    const all = { ...answers, [id]: answer }
    setAnswers(all)
    if (asked.some(({ call }) => !all[call.tool_call_id])) return
    setSending(true)
    setFailure(await conversation.answer(asked.map(({ call }) => asSent(call.tool_call_id, all[call.tool_call_id]!))))
    setSending(false)
  }

  return (
    <section class="approvals" aria-label="Calls that wait for your answer">
      {asked.map((one) => (
        <div key={one.call.tool_call_id} class="asked" style={inHue(hueOf(one.senderId, cast))}>
          <AskedCall
            asked={one}
            given={answers[one.call.tool_call_id]}
            disabled={sending}
            give={(answer) => void give(one.call.tool_call_id, answer)}
          />
        </div>
      ))}
      {failure && (
        <p class="wrong" role="alert">
          {failure}
        </p>
      )}
    </section>
  )
}

interface AskedCallProps {
  asked: Asked
  given: Answer | undefined
  disabled: boolean
  give: (answer: Answer) => void
}

/** A tool of the agent's own asks for leave; any other is the client's, which gives the result. */
function AskedCall({ asked: { call, senderId, name }, given, disabled, give }: AskedCallProps) {
  const own = agentOf(senderId)?.tools.some((tool) => tool.name === call.name) ?? true
  const [chosen, setMine] = useState<boolean>()
  const mine = chosen ?? !own
  const [text, setText] = useState('')
  return (
    <>
      <p>
        <strong>{name}</strong> {mine ? 'waits for the result of' : 'asks for leave to call'} <code>{call.name}</code>
      </p>
      <pre>{pretty(call.arguments)}</pre>
      <label class="field">
        <span>{mine ? 'Result' : 'Reason, if you deny it'}</span>
        <textarea rows={mine ? 3 : 1} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <div class="buttons">
        {mine ? (
          <>
            <button type="button" class="primary" disabled={disabled} onClick={() => give({ result: text, failed: false })}>
              Give the result
            </button>
            <button type="button" disabled={disabled} onClick={() => give({ result: text, failed: true })}>
              It failed
            </button>
          </>
        ) : (
          <>
            <button type="button" class="primary" disabled={disabled} onClick={() => give({ approve: true, reason: '' })}>
              Approve
            </button>
            <button type="button" disabled={disabled} onClick={() => give({ approve: false, reason: text })}>
              Deny
            </button>
          </>
        )}
        <button type="button" class="quiet text" onClick={() => setMine(!mine)}>
          {mine ? 'Approve or deny instead' : 'Give a result instead'}
        </button>
        {given && <span class="hint">Noted; the others wait.</span>}
      </div>
    </>
  )
}

function asSent(tool_call_id: string, answer: Answer): object {
  return 'approve' in answer
    ? { type: 'approval', tool_call_id, approve: answer.approve, reason: answer.reason.trim() || null }
    : { type: 'tool', tool_call_id, tool_return: answer.result, status: answer.failed ? 'error' : 'success' }
}
