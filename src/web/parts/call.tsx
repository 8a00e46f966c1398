import type { ToolCall, ToolReturn } from '../../wire/message.ts'
import type { Outcome } from '../model/item.ts'
import { textOf } from '../model/item.ts'
import './folded.css'

/** A call of a tool, folded, with what came back. */
export function Call({ call, outcome, working }: { call: ToolCall; outcome: Outcome | undefined; working: boolean }) {
  const returned = outcome?.returned
  const failed = returned?.status === 'error'
  return (
    <details class={failed ? 'folded call failed' : 'folded call'}>
      <summary>
        <code>{call.name}</code> <span class="brief">{briefly(call.arguments)}</span>{' '}
        <span class="state">{stateOf(outcome, working)}</span>
      </summary>
      <pre>{pretty(call.arguments)}</pre>
      {returned && <Returned {...returned} />}
    </details>
  )
}

export function Returned({ tool_return: given, status, stdout, stderr }: ToolReturn) {
  return (
    <>
      <p class="label">{status === 'error' ? 'It failed' : 'It returned'}</p>
      <pre>{pretty(textOf(given))}</pre>
      {[...(stdout ?? []), ...(stderr ?? [])].length > 0 && <pre>{[...(stdout ?? []), ...(stderr ?? [])].join('\n')}</pre>}
    </>
  )
}

function stateOf(outcome: Outcome | undefined, working: boolean): string {
  const { decision, returned } = outcome ?? {}
  if (decision?.type === 'approval' && !decision.approve) return 'denied'
  if (returned) return returned.status === 'error' ? 'failed' : '✓'
  return decision ? 'allowed' : working ? '…' : ''
}

/** The values of the arguments, as far as they fit on the line. */
function briefly(json: string): string {
  try {
    const values = Object.entries(JSON.parse(json) as object).filter(([name]) => name !== 'request_heartbeat')
    const text = values.map(([, value]) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' · ')
    return text.length > 72 ? `${text.slice(0, 70)} …` : text
  } catch {
    return ''
  }
}

/** JSON is spread out; anything else stays as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
