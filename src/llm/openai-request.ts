import type { ModelCall, PromptMessage, UserPart } from './provider.ts'
import { readSettings } from './settings.ts'

/** Models that think out of sight, and take neither a temperature nor `max_tokens`. */
export const isReasoner = (model: string): boolean => /(^|\/)(gpt-5(?!.*-chat)|o[134](-|$))/.test(model)

/** The body of `POST /chat/completions`. `endpoint` decides the names that only OpenAI itself insists on. */
export function chatRequest(call: ModelCall, endpoint: string): Record<string, unknown> {
  const { temperature, maxOutputTokens, reasoningEffort, responseFormat } = readSettings(call.settings)
  const reasoner = isReasoner(call.model)
  const atOpenAi = new URL(endpoint).host === 'api.openai.com'
  return {
    model: call.model,
    stream: true,
    stream_options: { include_usage: true },
    messages: chatMessages(call.system, call.messages),
    ...(call.tools.length > 0 && toolOptions(call, reasoner)),
    ...(!reasoner && temperature !== undefined && { temperature }),
    ...(maxOutputTokens !== undefined && { [reasoner && atOpenAi ? 'max_completion_tokens' : 'max_tokens']: maxOutputTokens }),
    // Elsewhere a model may think under any name; OpenAI refuses the word for one that does not.
    ...(reasoningEffort && (reasoner || !atOpenAi) && { reasoning_effort: reasoningEffort }),
    ...(responseFormat && { response_format: responseFormat }),
  }
}

function toolOptions({ model, tools, toolChoice, parallelToolCalls }: ModelCall, reasoner: boolean) {
  return {
    tools: tools.map(({ name, description, parameters }) => ({
      type: 'function',
      function: { name, description, parameters },
    })),
    tool_choice: typeof toolChoice === 'string' ? toolChoice : { type: 'function', function: { name: toolChoice.name } },
    // The o family refuses the word itself.
    ...(!(reasoner && /(^|\/)o\d/.test(model)) && { parallel_tool_calls: parallelToolCalls }),
  }
}

function chatMessages(system: string, messages: PromptMessage[]): unknown[] {
  const chat: unknown[] = system === '' ? [] : [{ role: 'system', content: system }]
  for (const message of messages) {
    if (message.role === 'user') chat.push({ role: 'user', content: userContent(message.content) })
    else if (message.role === 'tool') {
      for (const { id, text } of message.results) chat.push({ role: 'tool', tool_call_id: id, content: text })
    } else {
      const text = message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('')
      const calls = message.content.flatMap((part) =>
        part.type === 'tool_call'
          ? [{ id: part.id, type: 'function', function: { name: part.name, arguments: asObjectText(part.arguments) } }]
          : [],
      )
      // Its reasoning has no place in this dialect, so a message may have nothing left.
      if (text !== '' || calls.length > 0)
        chat.push({ role: 'assistant', content: text || null, ...(calls.length > 0 && { tool_calls: calls }) })
    }
  }
  return chat
}

function userContent(parts: UserPart[]): unknown {
  if (parts.every((part) => part.type === 'text')) return parts.map(({ text }) => text).join('\n')
  return parts.map((part) =>
    part.type === 'text'
      ? { type: 'text', text: part.text }
      : {
          type: 'image_url',
          image_url: { url: `data:${part.mediaType};base64,${part.data}`, ...(part.detail && { detail: part.detail }) },
        },
  )
}

/** Servers that put history through a template fail on arguments that are no JSON object; the model still sees what it wrote. */
export function asObjectText(text: string): string {
  if (text.trim() === '') return '{}'
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text
  } catch {}
  return JSON.stringify({ unreadable_arguments: text })
}
