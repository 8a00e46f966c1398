import type { PendingApproval, Store } from '../db/store.ts'
import { Conflict } from '../errors.ts'
import { denialRows } from './approvals.ts'
import { openCalls } from './returns.ts'

/** What waits for an answer; what has waited too long is denied first. */
export async function pendingOf(
  store: Store,
  tenant: string,
  of: { group: string } | { agent: string },
): Promise<PendingApproval[]> {
  const all = await store.pendingApprovals(tenant, of)
  const now = Date.now()
  const late = new Set(all.flatMap(({ expiresAt, runId }) => (expiresAt !== null && expiresAt <= now ? [runId] : [])))
  if (late.size === 0) return all
  for (const run of late) {
    const pending = await store.pendingApprovals(tenant, { run })
    await denyAll(store, tenant, pending, 'Nobody answered in time, so the tool call was denied.').catch((error: unknown) => {
      // Somebody else has just done the same, or answered.
      if (!(error instanceof Conflict)) throw error
    })
  }
  return all.filter(({ runId }) => !late.has(runId))
}

/** Gives up waiting: every call is denied, and its run is cancelled. @throws {Conflict} when somebody answered just now */
export async function denyAll(store: Store, tenant: string, pending: PendingApproval[], reason: string): Promise<void> {
  if (pending.length === 0) return
  const rows = await Promise.all(
    pending.map(async (one) => {
      const { runId, stepId, agentId, groupId } = one
      const name = await store.findAgentName(tenant, agentId)
      const row = { id: '', runId, stepId, agentId, groupId, name, senderId: agentId, otid: null, isErr: false, heard: false }
      return denialRows(one, { ...row, date: Date.now() }, reason)
    }),
  )
  // Beside them others may have waited for the run to go on, e.g. a broadcast for the answers of its members.
  const denied = pending.flatMap(({ calls, allowed }) => [...calls, ...allowed].map(({ id }) => id))
  const runs = await Promise.all([...new Set(pending.map(({ runId }) => runId))].map((id) => store.findRun(tenant, id)))
  const others = await Promise.all(runs.map((run) => openCalls(store, run, 'the run was cancelled', denied)))
  const ids = pending.map(({ id }) => id)
  await store.cancelApprovals(tenant, ids, [...rows.flat(), ...others.flat()])
}
