import type { Store } from '../db/store.ts'
import type { SendToAgent } from '../tools/agents.ts'
import { ToolError } from '../tools/tool.ts'
import { SendRequest } from '../wire/request.ts'
import type { Requests } from './requests.ts'
import type { Runs } from './run.ts'

/** How one agent talks to another without a group: a run of the other's own (groups.md §3.6.6). */
export const sendBetween =
  (requests: () => Requests, runs: () => Runs, store: Store): SendToAgent =>
  async (tenant, from, toAgentId, text, { wait, signal, key, payer }) => {
    // Paid by the key that the asking run was admitted with: its budget let that in, and so all that comes of it.
    const sender = { tenant, key: payer === null ? null : { id: payer, name: payer, tokensPerDay: Infinity } }
    const message = { role: 'system', content: text, name: from.name, sender_id: from.id }
    const run = await requests().sendToAgent(sender, toAgentId, SendRequest.parse({ messages: [message] }), key)
    if (!wait) return { runId: run.id, said: [] }
    await endOf(runs().ended(run.id), signal)
    const { error } = await store.findRun(tenant, run.id)
    if (error) throw new ToolError(`The other agent failed: ${error.message}`)
    const steps = await store.journalOf([run.id])
    const made = steps.filter(({ status }) => status === 'success')
    return { runId: run.id, said: made.flatMap(({ recorded }) => recorded.said) }
  }

/** The other one's run goes on when nobody waits for it any more. */
function endOf(ended: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    void ended.then(resolve).finally(() => signal.removeEventListener('abort', leave))
  })
}
