import { logger } from '../logger.ts'
import type { RunWatcher } from '../loop/watcher.ts'

/** One line per run, that says why it ended. */
export const logRunEnd: RunWatcher['runEnded'] = (run, { error, ...end }, usages) => {
  const line = {
    run: run.id,
    tenant: run.tenant,
    ...(run.groupId === null ? {} : { group: run.groupId }),
    agent: run.agentId,
    manager: run.admission.manager,
    status: end.status,
    stop_reason: end.stopReason,
    ...(end.endedBy !== null && { ended_by: end.endedBy }),
    ...(error && { error_type: error.error_type, error: error.message }),
    steps: usages.length,
    tokens: usages.reduce((sum, { totalTokens }) => sum + totalTokens, 0),
    ttft_ms: end.firstFrameMs === null ? null : Math.round(end.firstFrameMs),
    duration_ms: Math.round(end.durationMs),
  }
  logger[end.status === 'failed' ? 'warn' : 'info'](line, `run ${end.status}`)
}
