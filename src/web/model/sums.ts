import type { Run, Step } from '../../wire/run.ts'
import type { StepMetrics } from '../../wire/step.ts'
import { api } from './api.ts'

/** A model call on the time line of its run, in ms from the run's begin; unmeasured ones have no place on it. */
export interface TimedStep {
  id: string
  agentId: string
  model: string
  promptTokens: number
  completionTokens: number
  from: number | undefined
  to: number | undefined
}

export interface RunSums {
  run: Run
  steps: TimedStep[]
}

/** More are listed, but not measured one by one. */
const MEASURED = 60

export async function readRun(id: string): Promise<RunSums> {
  const [run, listed] = await Promise.all([
    api.get<Run>(`/v1/runs/${id}`),
    api.get<Step[]>(`/v1/runs/${id}/steps?order=asc&limit=1000`),
  ])
  const metrics = await Promise.all(
    listed.slice(0, MEASURED).map((step) => api.get<StepMetrics>(`/v1/steps/${step.id}/metrics`).catch(() => undefined)),
  )
  const begin = Date.parse(run.created_at)
  const steps = listed.map((step, index): TimedStep => {
    const measured = metrics[index]
    const from = measured?.step_start_ns == null ? undefined : measured.step_start_ns / 1e6 - begin
    return {
      id: step.id,
      agentId: step.agent_id ?? '',
      model: step.model_handle ?? step.model ?? '',
      promptTokens: step.prompt_tokens ?? 0,
      completionTokens: step.completion_tokens ?? 0,
      from,
      to: from === undefined ? undefined : from + (measured?.step_ns ?? 0) / 1e6,
    }
  })
  return { run, steps }
}

export interface Sums {
  runs: number
  steps: number
  promptTokens: number
  completionTokens: number
  bySpeaker: { id: string; tokens: number }[]
}

/** What a group, or an agent alone, has used: the last thousand runs, and as many steps of each speaker. */
export async function readSums(kind: 'groups' | 'agents', id: string, cast: string[]): Promise<Sums> {
  const runs = await api.get<Run[]>(`/v1/runs?limit=1000&${kind === 'groups' ? 'group_id' : 'agent_id'}=${id}`)
  const own = new Set(runs.flatMap((run) => (kind === 'agents' && run.metadata?.['group_id'] != null ? [] : [run.id])))
  const perAgent = await Promise.all(
    cast.map((agent) => api.get<Step[]>(`/v1/steps/?agent_id=${agent}&limit=1000`).catch(() => [])),
  )
  const steps = perAgent.flat().filter(({ run_id: run }) => run !== null && own.has(run))
  const sum = (of: Step[], field: 'prompt_tokens' | 'completion_tokens') =>
    of.reduce((total, step) => total + (step[field] ?? 0), 0)
  return {
    runs: own.size,
    steps: steps.length,
    promptTokens: sum(steps, 'prompt_tokens'),
    completionTokens: sum(steps, 'completion_tokens'),
    bySpeaker: cast.map((agent) => ({
      id: agent,
      tokens: sum(
        steps.filter(({ agent_id: of }) => of === agent),
        'completion_tokens',
      ),
    })),
  }
}
