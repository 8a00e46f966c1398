import { InvalidArgument, InvalidFields } from '../errors.ts'
import type { ChatMessage, ChatRequest } from '../wire/completion.ts'
import { SendRequest } from '../wire/request.ts'

/**
 * A chat request as a send. The server holds the conversation, so only what follows the last `assistant` message is new and is
 * said; results of the caller's own tools answer the calls that wait.
 *
 * @throws {InvalidArgument} when nothing is new
 */
export function sendOf({ messages, tools, stream, on_busy }: ChatRequest, tokens: boolean): SendRequest {
  const fresh = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1)
  if (fresh.length === 0) throw new InvalidArgument('Nothing to say: the last message must not be the assistant’s')
  const results = fresh.flatMap((message) => (message.role === 'tool' ? [returned(message)] : []))
  const said = fresh.flatMap((message) => (message.role === 'tool' || message.role === 'assistant' ? [] : [spoken(message)]))
  const request = {
    messages: [...(results.length > 0 ? [{ type: 'tool_return', tool_returns: results }] : []), ...said],
    streaming: stream ?? false,
    stream_tokens: tokens && (stream ?? false),
    ...(tools && { client_tools: tools.map(({ function: tool }) => tool) }),
    ...(on_busy && { on_busy }),
  }
  const { data, error } = SendRequest.safeParse(request)
  if (error) throw new InvalidFields('body', error, request)
  return data
}

const textOf = (content: string | { text: string }[]) =>
  typeof content === 'string' ? content : content.map(({ text }) => text).join('\n')

const returned = ({ tool_call_id, content }: Extract<ChatMessage, { role: 'tool' }>) => ({
  type: 'tool' as const,
  tool_call_id,
  status: 'success' as const,
  tool_return: textOf(content),
})

function spoken(message: Extract<ChatMessage, { role: 'system' | 'developer' | 'user' }>) {
  const { name } = message
  if (message.role !== 'user') return { role: 'system', content: textOf(message.content), name }
  if (typeof message.content === 'string') return { role: 'user', content: message.content, name }
  const content = message.content.map((part) =>
    part.type === 'text' ? { type: 'text', text: part.text } : { type: 'image', source: sourceOf(part.image_url) },
  )
  return { role: 'user', content, name }
}

function sourceOf({ url, detail }: { url: string; detail?: string | null | undefined }) {
  const [, media_type, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? []
  return data === undefined ? { type: 'url', url } : { type: 'base64', media_type, data, detail }
}
