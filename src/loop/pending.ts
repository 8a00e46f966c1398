import type { PendingApproval, Store } from '../db/store.ts'
import { Conflict } from '../errors.ts'
import { denialRows } from './approvals.ts'

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
      const { name } = await store.findAgent(tenant, agentId)
      const row = { id: '', runId, stepId, agentId, groupId, name, senderId: agentId, otid: null, isErr: false, heard: false }
      return denialRows(one, { ...row, date: Date.now() }, reason)
    }),
  )
  await store.cancelApprovals(
    tenant,
    pending.map(({ id }) => id),
    rows.flat(),
  )
}
