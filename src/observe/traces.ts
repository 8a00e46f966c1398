import {
  type Attributes,
  type Context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type IdGenerator, RandomIdGenerator } from '@opentelemetry/sdk-trace-base'
import pkg from '../../package.json' with { type: 'json' }
import type { StepRow } from '../db/store.ts'
import { logger } from '../logger.ts'
import type { RunWatcher } from '../loop/watcher.ts'
import { ToolError, type ToolSource } from '../tools/tool.ts'

export interface TracingOptions {
  /** Where an OTLP collector takes traces over HTTP. */
  url: string
  headers: Record<string, string>
  serviceName: string
}

/** What the server tells OpenTelemetry. */
export interface Tracing {
  watcher: RunWatcher
  /** The same tools, with an eye on when each call began and ended. */
  watched(tools: ToolSource): ToolSource
  /** Sends what is left, within bounds. */
  close(): Promise<void>
}

interface ToolCall {
  id: string
  name: string
  startedAt: number
  endedAt: number
  errorType: string | undefined
}

type Step = Omit<StepRow, 'tenant'> & { endedAt: number }

/** What belongs to no run that ends here is forgotten, the oldest first. */
const MOST_KEPT = 10_000

const PATIENCE_MS = 2000

/** The names that OpenTelemetry has for them; any other provider goes by its own. */
const providerNames: Record<string, string> = { google_ai: 'gcp.gemini', xai: 'x_ai' }

/**
 * Runs as traces, in OpenTelemetry's words for generative AI: a run, in it `invoke_agent` for each turn, in that `chat` for each
 * model call and `execute_tool` for each tool. They are made of the record when the run has ended, so nothing is done while it
 * streams; a run's trace has its uuid as its id. What was said is not in them.
 */
export function startTracing({ url, headers, serviceName }: TracingOptions): Tracing {
  const say = (text: string) => logger.warn(`Traces: ${text}`)
  diag.setLogger({ error: say, warn: say, info: () => {}, debug: () => {}, verbose: () => {} }, DiagLogLevel.WARN)
  const ids = new RunIds()
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': pkg.version }),
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url, headers }))],
  })
  const tracer = provider.getTracer(pkg.name, pkg.version)
  const steps = new Kept<Step>()
  const calls = new Kept<ToolCall>()
  const span = (name: string, context: Context, { from, to, kind = SpanKind.INTERNAL, attributes, error }: SpanOptions) => {
    const made = tracer.startSpan(name, { kind, startTime: from, attributes }, context)
    if (error) made.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR, message: error })
    made.end(to)
    return trace.setSpan(context, made)
  }

  return {
    watcher: {
      stepEnded: (step) => steps.add(step.runId, { ...step, endedAt: Date.now() }),
      runEnded({ id, tenant, groupId, agentId, admission }, end) {
        const { members, managerAgent, manager, continues } = admission
        const names = new Map([...members, ...(managerAgent ? [managerAgent] : [])].map((one) => [one.id, one.name]))
        const conversation = { 'gen_ai.conversation.id': groupId ?? agentId }
        ids.next = id
        const root = span(`run ${manager}`, ROOT_CONTEXT, {
          from: end.completedAt - end.durationMs,
          to: end.completedAt,
          attributes: {
            ...conversation,
            'roundtable.run.id': id,
            'roundtable.tenant': tenant,
            'roundtable.manager': manager,
            'roundtable.stop_reason': end.stopReason,
            ...(end.endedBy !== null && { 'roundtable.ended_by': end.endedBy }),
          },
          error: end.error?.error_type,
        })
        const own = steps.take(id).map((step) => ({ ...step, calls: calls.take(step.id) }))
        for (const turn of Map.groupBy(own, ({ turn: number }) => number).values()) {
          const { agentId: speaker } = turn[0]!
          const name = names.get(speaker)
          const agent = { 'gen_ai.agent.id': speaker, ...(name !== undefined && { 'gen_ai.agent.name': name }) }
          const inTurn = span(`invoke_agent ${name ?? speaker}`, root, {
            from: turn[0]!.createdAt,
            to: turn.at(-1)!.endedAt,
            attributes: { 'gen_ai.operation.name': 'invoke_agent', ...agent, ...conversation },
            error: turn.at(-1)!.recorded.error?.error_type,
          })
          for (const step of turn) {
            const to = Math.min(step.endedAt, ...step.calls.map(({ startedAt }) => startedAt))
            const error = step.recorded.error?.error_type
            span(`chat ${step.recorded.model}`, inTurn, {
              from: step.createdAt,
              to,
              kind: SpanKind.CLIENT,
              attributes: { ...chatAttributes(step), ...agent, ...conversation },
              error,
            })
            for (const call of step.calls) tool(call, inTurn)
          }
        }
        // Calls that were let through by an answer: their step is another run's.
        const paused = continues.flatMap((run) => steps.take(run).flatMap(({ id: step }) => calls.take(step)))
        for (const call of paused) tool(call, root)
        for (const step of own) if (step.recorded.waits) steps.add(id, step)
      },
    },
    watched: (tools) => ({
      async run(called, args, call) {
        const [stepId, id] = [
          call.callKey.slice(0, call.callKey.indexOf('/')),
          call.callKey.slice(call.callKey.indexOf('/') + 1),
        ]
        const startedAt = Date.now()
        const ended = (errorType?: string) =>
          calls.add(stepId, { id, name: called.name ?? '', startedAt, endedAt: Date.now(), errorType })
        try {
          const output = await tools.run(called, args, call)
          ended()
          return output
        } catch (error) {
          ended(error instanceof ToolError ? 'tool_error' : 'internal_error')
          throw error
        }
      },
      close: () => tools.close(),
    }),
    async close() {
      let late: NodeJS.Timeout | undefined
      const patience = new Promise<void>((resolve) => (late = setTimeout(resolve, PATIENCE_MS)))
      await Promise.race([provider.shutdown().catch((error: unknown) => say(String(error))), patience])
      clearTimeout(late)
    },
  }

  function tool({ id, name, startedAt, endedAt, errorType }: ToolCall, context: Context) {
    span(`execute_tool ${name}`, context, {
      from: startedAt,
      to: endedAt,
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': name,
        'gen_ai.tool.call.id': id,
        'gen_ai.tool.type': 'function',
      },
      error: errorType,
    })
  }
}

interface SpanOptions {
  from: number
  to: number
  kind?: SpanKind
  attributes: Attributes
  error: string | undefined
}

function chatAttributes({ id, recorded: { handle, model, endpoint, usage, stop, calls } }: Step): Attributes {
  const provider = handle.slice(0, handle.indexOf('/'))
  const address = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': providerNames[provider] ?? provider,
    'gen_ai.request.model': model,
    'gen_ai.usage.input_tokens': usage.promptTokens,
    'gen_ai.usage.output_tokens': usage.completionTokens,
    ...(usage.cachedInputTokens !== null && { 'gen_ai.usage.cache_read.input_tokens': usage.cachedInputTokens }),
    'gen_ai.response.finish_reasons': [calls.length > 0 ? 'tool_calls' : stop === 'max_tokens_exceeded' ? 'length' : 'stop'],
    ...(address && { 'server.address': address.hostname, ...(address.port && { 'server.port': Number(address.port) }) }),
    'roundtable.step.id': id,
  }
}

/** Lists by a key; whoever takes one takes it away. */
class Kept<T> {
  readonly #lists = new Map<string, T[]>()

  add(key: string, value: T): void {
    const list = this.#lists.get(key)
    if (list) list.push(value)
    else this.#lists.set(key, [value])
    if (this.#lists.size > MOST_KEPT) this.#lists.delete(this.#lists.keys().next().value!)
  }

  take(key: string): T[] {
    const list = this.#lists.get(key) ?? []
    this.#lists.delete(key)
    return list
  }
}

/** The trace of a run has the run's own uuid, so that one is found by the other, also after a restart. */
class RunIds implements IdGenerator {
  readonly #random = new RandomIdGenerator()
  /** The run whose root span is made next. */
  next = ''

  generateTraceId(): string {
    const id = this.next.replace(/^run-/, '').replaceAll('-', '')
    return /^[0-9a-f]{32}$/.test(id) ? id : this.#random.generateTraceId()
  }

  generateSpanId(): string {
    return this.#random.generateSpanId()
  }
}
