import { z } from 'zod'
import { count, flag, hostname, hostPort, logLevels, origin, otelPairs, seconds, text, words } from './config/fields.ts'
import { McpServers, mcpServersOf } from './config/mcp.ts'
import { providersOf, trim } from './config/providers.ts'

const Env = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65535).default(8283),
  DATABASE_URL: z
    .string()
    .regex(/^(file:.+|:memory:|[^:]+)$/, 'is file:<path> of a SQLite database')
    .default('file:./data/roundtable.db'),
  LETTA_SERVER_SECURE: flag,
  LETTA_SERVER_PASSWORD: text,
  LETTA_KEEPALIVE_INTERVAL: seconds(20),
  LETTA_LLM_REQUEST_TIMEOUT_SECONDS: seconds(60),
  LETTA_LLM_STREAM_TIMEOUT_SECONDS: seconds(600),
  ROUNDTABLE_LLM_TOTAL_SECONDS: seconds(1800),
  ROUNDTABLE_LLM_LIMIT_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(32 * 1024 * 1024),
  ANTHROPIC_API_KEY: text,
  ANTHROPIC_BASE_URL: z.url().default('https://api.anthropic.com/v1'),
  GEMINI_API_KEY: text,
  GEMINI_BASE_URL: z.url().default('https://generativelanguage.googleapis.com/v1beta'),
  ROUNDTABLE_DEFAULT_MODEL: z
    .string()
    .regex(/^[^/]+\/.+$/, 'is a handle: provider/model')
    .optional(),
  ROUNDTABLE_EMBEDDING_MODEL: z
    .string()
    .regex(/^[^/]+\/.+$/, 'is a handle: provider/model')
    .optional(),
  ROUNDTABLE_DEMO: z.stringbool().default(true),
  ROUNDTABLE_DEMO_TOKEN_MS: z.coerce.number().min(0).default(30),
  ROUNDTABLE_ALLOWED_HOSTS: words('').pipe(z.array(hostname)),
  ROUNDTABLE_CORS_ORIGINS: words('loopback').pipe(z.array(origin)),
  ROUNDTABLE_TICKET_SECONDS: seconds(300),
  ROUNDTABLE_REQUESTS_PER_MINUTE: count(3000),
  ROUNDTABLE_TOKENS_PER_DAY: z.coerce.number().int().positive().optional(),
  ROUNDTABLE_WRONG_KEYS_PER_MINUTE: count(20),
  ROUNDTABLE_OPEN_REQUESTS: count(10_000),
  ROUNDTABLE_OPEN_REQUESTS_PER_TENANT: count(8000),
  ROUNDTABLE_OPEN_REQUESTS_PER_KEY: count(2000),
  ROUNDTABLE_OPEN_RUNS: count(2000),
  ROUNDTABLE_OPEN_RUNS_PER_TENANT: count(1000),
  ROUNDTABLE_CONNECTIONS: count(12_000),
  ROUNDTABLE_HEAD_LIMIT_BYTES: count(16 * 1024),
  ROUNDTABLE_HEAD_SECONDS: seconds(10),
  ROUNDTABLE_REQUEST_SECONDS: seconds(60),
  ROUNDTABLE_BODY_LIMIT_BYTES: count(8 * 1024 * 1024),
  ROUNDTABLE_MAX_TEXT_CHARS: count(1_000_000),
  ROUNDTABLE_MAX_MESSAGES: count(1000),
  ROUNDTABLE_MAX_STEPS: count(1000),
  ROUNDTABLE_MAX_TURNS: count(1000),
  ROUNDTABLE_MAX_MEMBERS: count(100),
  ROUNDTABLE_SHUTDOWN_SECONDS: seconds(5),
  ROUNDTABLE_STANDBY: flag,
  ROUNDTABLE_STEP_RETRIES: z.coerce.number().int().min(0).max(10).default(2),
  ROUNDTABLE_QUEUE_LIMIT: z.coerce.number().int().min(0).default(100),
  ROUNDTABLE_READER_STALL_SECONDS: seconds(30),
  ROUNDTABLE_FRAMES_RETENTION_DAYS: z.coerce.number().min(0).default(30),
  ROUNDTABLE_CUSTOM_TOOLS: flag,
  ROUNDTABLE_TOOL_SECONDS: seconds(10),
  ROUNDTABLE_TOOL_MEMORY_MB: z.coerce.number().int().min(160).default(256),
  ROUNDTABLE_MCP_SERVERS: McpServers,
  ROUNDTABLE_MCP_SECONDS: seconds(60),
  ROUNDTABLE_FETCH_ALLOW: words('').pipe(z.array(hostPort)),
  ROUNDTABLE_FETCH_SECONDS: seconds(5),
  ROUNDTABLE_FETCH_CONNECT_SECONDS: seconds(2.5),
  ROUNDTABLE_IMAGE_LIMIT_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(20 * 1024 * 1024),
  OTEL_SDK_DISABLED: flag,
  OTEL_TRACES_EXPORTER: text,
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_HEADERS: otelPairs,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: otelPairs,
  OTEL_SERVICE_NAME: z.string().default('roundtable'),
  ROUNDTABLE_METRICS_OPEN: flag,
  ROUNDTABLE_LOG_LEVEL: z.enum(logLevels).default('info'),
  ROUNDTABLE_APPROVAL_SECONDS: z.coerce.number().positive().optional(),
})

export type Config = ReturnType<typeof readConfig>

/**
 * The settings, checked, in our units. Letta's names where Letta had one (design §2). What was typed goes before the environment.
 *
 * @throws {Error} naming everything that is wrong, all at once
 */
export function readConfig(env: Record<string, string | undefined> = process.env, typed: typeof env = {}) {
  const given = givenIn(env, typed)
  const { data, error } = Env.safeParse(given)
  if (error) throw new Error(`Bad settings:\n${z.prettifyError(error)}`)
  const password = data.LETTA_SERVER_SECURE ? data.LETTA_SERVER_PASSWORD : undefined
  const providers = providersOf(given)
  const tracing = tracingOf(data)
  const mcpServers = mcpServersOf(data.ROUNDTABLE_MCP_SERVERS, given['PATH'])
  return Object.freeze({
    host: data.HOST,
    port: data.PORT,
    databaseUrl: data.DATABASE_URL,
    /** Only this machine can reach it. */
    loopback: isLoopback(data.HOST),
    /** Nobody comes in without a key, though there may be none yet. */
    secure: data.LETTA_SERVER_SECURE,
    password,
    keepaliveMs: data.LETTA_KEEPALIVE_INTERVAL * 1000,
    requestTimeoutMs: data.LETTA_LLM_REQUEST_TIMEOUT_SECONDS * 1000,
    streamTimeoutMs: data.LETTA_LLM_STREAM_TIMEOUT_SECONDS * 1000,
    totalTimeoutMs: data.ROUNDTABLE_LLM_TOTAL_SECONDS * 1000,
    answerLimitBytes: data.ROUNDTABLE_LLM_LIMIT_BYTES,
    defaultModel: data.ROUNDTABLE_DEFAULT_MODEL ?? 'demo/chat',
    embeddingModel: data.ROUNDTABLE_EMBEDDING_MODEL,
    demo: data.ROUNDTABLE_DEMO,
    demoTokenMs: data.ROUNDTABLE_DEMO_TOKEN_MS,
    allowedHosts: data.ROUNDTABLE_ALLOWED_HOSTS,
    corsOrigins: data.ROUNDTABLE_CORS_ORIGINS,
    ticketMs: data.ROUNDTABLE_TICKET_SECONDS * 1000,
    /** Of each key that has no number of its own. */
    requestsPerMinute: data.ROUNDTABLE_REQUESTS_PER_MINUTE,
    tokensPerDay: data.ROUNDTABLE_TOKENS_PER_DAY,
    /** Wrong keys from one address. */
    guessesPerMinute: data.ROUNDTABLE_WRONG_KEYS_PER_MINUTE,
    openRequests: {
      total: data.ROUNDTABLE_OPEN_REQUESTS,
      perTenant: data.ROUNDTABLE_OPEN_REQUESTS_PER_TENANT,
      perKey: data.ROUNDTABLE_OPEN_REQUESTS_PER_KEY,
    },
    openRuns: { total: data.ROUNDTABLE_OPEN_RUNS, perTenant: data.ROUNDTABLE_OPEN_RUNS_PER_TENANT },
    connections: data.ROUNDTABLE_CONNECTIONS,
    headLimitBytes: data.ROUNDTABLE_HEAD_LIMIT_BYTES,
    /** What a request's head may take to come, and all of it. */
    headMs: data.ROUNDTABLE_HEAD_SECONDS * 1000,
    requestMs: data.ROUNDTABLE_REQUEST_SECONDS * 1000,
    bodyLimitBytes: data.ROUNDTABLE_BODY_LIMIT_BYTES,
    standby: data.ROUNDTABLE_STANDBY,
    stepRetries: data.ROUNDTABLE_STEP_RETRIES,
    queueLimit: data.ROUNDTABLE_QUEUE_LIMIT,
    /** What one request may ask for. */
    limits: {
      textChars: data.ROUNDTABLE_MAX_TEXT_CHARS,
      messages: data.ROUNDTABLE_MAX_MESSAGES,
      maxSteps: data.ROUNDTABLE_MAX_STEPS,
      maxTurns: data.ROUNDTABLE_MAX_TURNS,
      members: data.ROUNDTABLE_MAX_MEMBERS,
    },
    shutdownMs: data.ROUNDTABLE_SHUTDOWN_SECONDS * 1000,
    /** How long the frames of a run that has ended are kept; 0 is for ever. */
    framesRetentionMs: data.ROUNDTABLE_FRAMES_RETENTION_DAYS * 24 * 60 * 60 * 1000,
    readerStallMs: data.ROUNDTABLE_READER_STALL_SECONDS * 1000,
    /** How we get what others point us at: images. */
    fetch: {
      allow: data.ROUNDTABLE_FETCH_ALLOW,
      timeoutMs: data.ROUNDTABLE_FETCH_SECONDS * 1000,
      connectTimeoutMs: data.ROUNDTABLE_FETCH_CONNECT_SECONDS * 1000,
      limitBytes: data.ROUNDTABLE_IMAGE_LIMIT_BYTES,
    },
    approvalExpiryMs: data.ROUNDTABLE_APPROVAL_SECONDS === undefined ? undefined : data.ROUNDTABLE_APPROVAL_SECONDS * 1000,
    customTools: data.ROUNDTABLE_CUSTOM_TOOLS,
    toolMs: data.ROUNDTABLE_TOOL_SECONDS * 1000,
    toolMemoryBytes: data.ROUNDTABLE_TOOL_MEMORY_MB * 1024 * 1024,
    mcpServers,
    mcpCallMs: data.ROUNDTABLE_MCP_SECONDS * 1000,
    providers,
    tracing,
    /** `/metrics` needs no key. */
    metricsOpen: data.ROUNDTABLE_METRICS_OPEN,
    logLevel: data.ROUNDTABLE_LOG_LEVEL,
    /** What must never be shown, whatever quotes it. */
    secrets: [
      ...(password === undefined ? [] : [password]),
      ...providers.flatMap(({ apiKey }) => apiKey ?? []),
      ...Object.values(tracing?.headers ?? {}),
      ...Object.values(data.ROUNDTABLE_MCP_SERVERS).flatMap((server) =>
        // `Bearer …` is quoted with and without the word.
        Object.values('url' in server ? server.headers : server.env).flatMap((value) => [value, value.replace(/^\w+ +/, '')]),
      ),
    ],
  })
}

/** On when the standard settings name a collector (OpenTelemetry's environment variables). */
function tracingOf(env: z.infer<typeof Env>) {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: shared } = env
  if (env.OTEL_SDK_DISABLED || env.OTEL_TRACES_EXPORTER === 'none' || !(own ?? shared)) return undefined
  return {
    url: own ?? `${trim(shared!)}/v1/traces`,
    headers: { ...env.OTEL_EXPORTER_OTLP_HEADERS, ...env.OTEL_EXPORTER_OTLP_TRACES_HEADERS },
    serviceName: env.OTEL_SERVICE_NAME,
  }
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)

/** `PORT=` in an env file means "not set"; z.coerce would make it 0. */
const givenIn = (...places: Record<string, string | undefined>[]): Record<string, string | undefined> =>
  Object.fromEntries(
    places.flatMap((place) => Object.entries(place)).filter(([, value]) => value !== undefined && value !== ''),
  )

const ClientEnv = z.object({
  PORT: Env.shape.PORT,
  ROUNDTABLE_URL: z.url({ protocol: /^https?$/ }).optional(),
  ROUNDTABLE_API_KEY: text,
})

/**
 * What a command needs to know to talk to a running server.
 *
 * @throws {Error} naming everything that is wrong
 */
export function readClientConfig(env: Record<string, string | undefined> = process.env, typed: typeof env = {}) {
  const { data, error } = ClientEnv.safeParse(givenIn(env, typed))
  if (error) throw new Error(`Bad settings:\n${z.prettifyError(error)}`)
  return { url: trim(data.ROUNDTABLE_URL ?? `http://127.0.0.1:${data.PORT}`), apiKey: data.ROUNDTABLE_API_KEY }
}
