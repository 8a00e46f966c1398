import type { ChatError } from '../wire/completion.ts'

/** The routes whose clients are OpenAI's. */
export const speaksOpenAi = (path: string): boolean => /^\/(openai\/v1|(v1|latest)\/chat)(\/|$)/.test(path)

const types: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
}

/** What is refused, in OpenAI's shape; `body` is how it looks to everybody else (streaming.md §9.1). */
export function openAiError(status: number, body: Record<string, unknown>): ChatError {
  const { message, code, param } = read(body)
  const type = types[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error')
  const { run_id: run } = body
  return { error: { message, type, param, code }, ...(typeof run === 'string' && { run_id: run }) }
}

function read({ detail, error }: Record<string, unknown>): { message: string; code: string | null; param: string | null } {
  if (isObject(error)) return { message: String(error['message']), code: String(error['type']), param: null }
  if (Array.isArray(detail)) {
    const issues = detail as { loc: (string | number)[]; msg: string }[]
    const [first] = issues
    return {
      message: issues.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`).join('; '),
      code: null,
      param: first ? first.loc.slice(1).join('.') : null,
    }
  }
  if (isObject(detail)) return { message: String(detail['message']), code: String(detail['code']), param: null }
  return { message: String(detail), code: null, param: null }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
