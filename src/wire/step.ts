import { z } from 'zod'
import { Name } from './field.ts'
import { pageQuery, repeated } from './page.ts'

/** A day, or a time; without an offset it is UTC. In ms since 1970. */
const Moment = z
  .union([z.iso.date(), z.iso.datetime({ offset: true, local: true })])
  .transform((text) => Date.parse(/(Z|[+-]\d\d:?\d\d)$|^[\d-]+$/.test(text) ? text : `${text}Z`))

export const Feedback = z.enum(['positive', 'negative'])
export type Feedback = z.infer<typeof Feedback>

/** `GET /v1/steps/` (streaming.md §4.10). */
export const ListStepsQuery = pageQuery({ limit: 50, order: 'desc' }).extend({
  start_date: Moment.optional().describe('Begun at this ISO date or time, or after it'),
  end_date: Moment.optional().describe('Begun at this ISO date or time, or before it'),
  model: Name.optional(),
  agent_id: Name.optional(),
  trace_ids: repeated(Name).describe('Steps carry no trace ids here: nothing matches'),
  feedback: Feedback.optional(),
  has_feedback: z.stringbool().optional(),
  tags: repeated(Name).describe('Steps that have one of them'),
  project_id: Name.optional().describe('Steps belong to no project here: nothing matches'),
})
export type ListStepsQuery = z.infer<typeof ListStepsQuery>

/** `PATCH /v1/steps/{step_id}/feedback`: absent = unchanged (design §5 row 22). */
export const StepFeedback = z.object({ feedback: Feedback.nullish(), tags: z.array(Name).max(1000).nullish() })
export type StepFeedback = z.infer<typeof StepFeedback>

const ns = z.number().nullable()

/** Times in ns; null where nobody measured. */
export const StepMetrics = z.object({
  id: z.string(),
  provider_id: z.string().nullable(),
  run_id: z.string().nullable(),
  agent_id: z.string().nullable(),
  step_start_ns: ns,
  llm_request_start_ns: ns,
  llm_request_ns: ns,
  tool_execution_ns: ns,
  step_ns: ns,
  base_template_id: z.string().nullable(),
  template_id: z.string().nullable(),
  project_id: z.string().nullable(),
})
export type StepMetrics = z.infer<typeof StepMetrics>

export const RunMetrics = z.object({
  id: z.string(),
  agent_id: z.string().nullable(),
  project_id: z.string().nullable(),
  run_start_ns: ns,
  run_ns: ns,
  num_steps: z.int().nullable(),
  tools_used: z.array(z.string()).nullable().describe('Ids of tools that still exist'),
  template_id: z.string().nullable(),
  base_template_id: z.string().nullable(),
})
export type RunMetrics = z.infer<typeof RunMetrics>
