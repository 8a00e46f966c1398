import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolChoice,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider'
import { isRecord } from './errors.ts'
import { asObjectText } from './openai-request.ts'
import type { AssistantPart, ModelCall, PromptMessage, UserPart } from './provider.ts'
import { readSettings, type Settings } from './settings.ts'

/** The makers that are called through the AI SDK; also the name under which it keeps what only they understand. */
export type Maker = 'anthropic' | 'google'

/** Our call in the SDK's words. */
export function sdkCall(maker: Maker, call: ModelCall, abortSignal: AbortSignal): LanguageModelV4CallOptions {
  const settings = readSettings(call.settings)
  const { temperature, maxOutputTokens, responseFormat: format } = settings
  const json = format?.type === 'json_schema' ? format.json_schema : {}
  const schema = isRecord(json['schema']) ? json['schema'] : undefined
  return {
    abortSignal,
    prompt: sdkPrompt(maker, call.system, call.messages),
    ...(temperature !== undefined && { temperature }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(call.tools.length > 0 && {
      tools: call.tools.map(({ name, description, parameters }) => ({
        type: 'function' as const,
        name,
        description,
        inputSchema: parameters,
      })),
      toolChoice: toolChoice(call.toolChoice),
    }),
    ...(format && {
      responseFormat: {
        type: 'json' as const,
        ...(schema && { schema }),
        ...(typeof json['name'] === 'string' && { name: json['name'] }),
      },
    }),
    providerOptions: { [maker]: maker === 'anthropic' ? anthropicOptions(call, settings) : googleOptions(call, settings) },
  }
}

const toolChoice = (choice: ModelCall['toolChoice']): LanguageModelV4ToolChoice =>
  typeof choice === 'string' ? { type: choice } : { type: 'tool', toolName: choice.name }

function anthropicOptions(call: ModelCall, { thinking, effort }: Settings) {
  // Anthropic does not think when a tool is forced, and says so with a 400.
  const thinks = thinking?.enabled && call.toolChoice === 'auto'
  return {
    // Pings are the only sign of life while it thinks out of sight.
    includePings: true,
    disableParallelToolUse: !call.parallelToolCalls,
    ...(thinking && {
      thinking: thinks
        ? { type: 'enabled', ...(thinking.budgetTokens && { budgetTokens: thinking.budgetTokens }) }
        : { type: 'disabled' },
    }),
    ...(effort && { effort }),
  }
}

const thinkers = /gemini-(2\.5|[3-9])/

/** Gemini thinks unless it is told not to, and shows nothing of it unless it is told to. */
export function thinksUnseen(maker: Maker, { model, settings }: ModelCall): boolean {
  const { thinking } = readSettings(settings)
  return maker === 'google' && thinkers.test(model) && (thinking === undefined || (thinking.enabled && !thinking.visible))
}

function googleOptions({ model }: ModelCall, { thinking }: Settings) {
  if (!thinking || !thinkers.test(model)) return {}
  const thinkingBudget = thinking.enabled ? thinking.budgetTokens : 0
  return { thinkingConfig: { includeThoughts: thinking.visible, ...(thinkingBudget !== undefined && { thinkingBudget }) } }
}

function sdkPrompt(maker: Maker, system: string, messages: PromptMessage[]): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = system === '' ? [] : [{ role: 'system', content: system }]
  for (const message of messages) {
    if (message.role === 'user') prompt.push({ role: 'user', content: message.content.filter(hasContent).map(userPart) })
    else if (message.role === 'assistant')
      prompt.push({ role: 'assistant', content: message.content.flatMap((part) => assistantPart(maker, part)) })
    else {
      const content = message.results.map(({ id, name, text, isError }) => ({
        type: 'tool-result' as const,
        toolCallId: id,
        toolName: name,
        output: { type: isError ? ('error-text' as const) : ('text' as const), value: text },
      }))
      prompt.push({ role: 'tool', content })
    }
  }
  return prompt
}

type Parts<Role> = Extract<LanguageModelV4Message, { role: Role }>['content']

/** Anthropic refuses empty text. */
const hasContent = (part: UserPart) => part.type !== 'text' || part.text !== ''

const userPart = (part: UserPart): Exclude<Parts<'user'>, string>[number] =>
  part.type === 'text'
    ? { type: 'text', text: part.text }
    : { type: 'file', mediaType: part.mediaType, data: { type: 'data', data: part.data } }

function assistantPart(maker: Maker, part: AssistantPart): Parts<'assistant'> {
  if (part.type === 'redacted_reasoning') {
    return maker === 'anthropic'
      ? [{ type: 'reasoning', text: '', providerOptions: { anthropic: { redactedData: part.data } } }]
      : []
  }
  const signed = part.signature === undefined ? {} : { providerOptions: signatureOptions(maker, part.signature) }
  if (part.type === 'tool_call') {
    return [
      {
        type: 'tool-call',
        toolCallId: part.id,
        toolName: part.name,
        input: JSON.parse(asObjectText(part.arguments)),
        ...signed,
      },
    ]
  }
  // Gemini signs an empty text at times: then it counts.
  return part.text === '' && part.signature === undefined ? [] : [{ type: part.type, text: part.text, ...signed }]
}

const signatureOptions = (maker: Maker, signature: string): SharedV4ProviderOptions =>
  maker === 'anthropic' ? { anthropic: { signature } } : { google: { thoughtSignature: signature } }
