export type ProviderSettings =
  | { kind: 'compatible'; name: string; baseUrl: string; apiKey: string | undefined }
  | { kind: 'anthropic' | 'google'; name: string; baseUrl: string; apiKey: string }

/** OpenAI-compatible makers: handle prefix → where they listen, and which settings name their key and address. */
const compatible = {
  openai: { key: ['OPENAI_API_KEY'], url: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'], at: 'https://api.openai.com/v1' },
  openrouter: { key: ['OPENROUTER_API_KEY'], url: ['OPENROUTER_BASE_URL'], at: 'https://openrouter.ai/api/v1' },
  groq: { key: ['GROQ_API_KEY'], url: ['GROQ_BASE_URL'], at: 'https://api.groq.com/openai/v1' },
  deepseek: { key: ['DEEPSEEK_API_KEY'], url: ['DEEPSEEK_BASE_URL'], at: 'https://api.deepseek.com/v1' },
  xai: { key: ['XAI_API_KEY'], url: ['XAI_BASE_URL'], at: 'https://api.x.ai/v1' },
  together: { key: ['TOGETHER_API_KEY'], url: ['TOGETHER_BASE_URL'], at: 'https://api.together.xyz/v1' },
  ollama: { key: [], url: ['OLLAMA_BASE_URL'], at: undefined },
  vllm: { key: [], url: ['VLLM_API_BASE'], at: undefined },
  lmstudio: { key: [], url: ['LMSTUDIO_BASE_URL'], at: undefined },
} as const

/** A provider is there when its key is, or its address where it needs no key. */
export function providersOf(env: Record<string, string | undefined>): ProviderSettings[] {
  const first = (names: readonly string[]) => names.map((name) => env[name]).find((value) => value !== undefined)
  const found: ProviderSettings[] = []
  for (const [name, maker] of Object.entries(compatible)) {
    const apiKey = first(maker.key)
    const url = first(maker.url)
    if (!apiKey && !url) continue
    found.push({ kind: 'compatible', name, apiKey, baseUrl: baseUrl(maker.url[0], url ?? maker.at!, maker.at === undefined) })
  }
  const own = [
    ['anthropic', 'anthropic', env['ANTHROPIC_API_KEY'], env['ANTHROPIC_BASE_URL'] ?? 'https://api.anthropic.com/v1'],
    [
      'google',
      'google_ai',
      env['GEMINI_API_KEY'],
      env['GEMINI_BASE_URL'] ?? 'https://generativelanguage.googleapis.com/v1beta',
    ],
  ] as const
  for (const [kind, name, apiKey, url] of own) if (apiKey) found.push({ kind, name, apiKey, baseUrl: trim(url) })
  return found
}

export const trim = (url: string) => url.replace(/(?<!\/)\/+$/, '')

/** Letta's addresses of local servers are bare hosts; the API is under `/v1` there. */
function baseUrl(setting: string, url: string, local: boolean): string {
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new Error(`Bad settings:\n${setting}=${url} is not an http(s) address`)
  return local && new URL(url).pathname === '/' ? `${trim(url)}/v1` : trim(url)
}
