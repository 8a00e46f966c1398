interface ChatMessage {
  role: string
  tool_calls?: { id: string }[]
  tool_call_id?: string
  content?: string | { type: string; id?: string; tool_use_id?: string }[] | null
}

/** Why the real one would refuse such a history with a 400; undefined when it would not. */
export function complaint(path: string, body: { messages?: ChatMessage[] }): string | undefined {
  if (path.endsWith('/chat/completions')) return openAiComplaint(body.messages ?? [])
  return path.endsWith('/messages') ? anthropicComplaint(body.messages ?? []) : undefined
}

function openAiComplaint(messages: ChatMessage[]): string | undefined {
  if (messages.length === 0) return "[] is too short - 'messages'"
  let open = new Set<string>()
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id ?? '')) {
        return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
      }
      continue
    }
    if (open.size > 0) break
    open = new Set(message.tool_calls?.map(({ id }) => id))
  }
  return open.size > 0
    ? `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id': ${[...open].join(', ')}`
    : undefined
}

function anthropicComplaint(messages: ChatMessage[]): string | undefined {
  if (messages.length === 0) return 'messages: at least one message is required'
  if (messages[0]!.role !== 'user') return 'messages: first message must use the "user" role'
  let open = new Set<string>()
  for (const { role, content } of messages) {
    const parts = Array.isArray(content) ? content : []
    if (parts.some((part) => part.type === 'text' && !('text' in part && part.text)))
      return 'messages: text content blocks must be non-empty'
    for (const { type, tool_use_id: id } of parts) {
      if (type === 'tool_result' && !open.delete(id ?? '')) return `unexpected tool_use_id found in tool_result blocks: ${id}`
    }
    if (open.size > 0) break
    open = new Set(role === 'assistant' ? parts.flatMap((part) => (part.type === 'tool_use' ? [part.id ?? ''] : [])) : [])
  }
  return open.size > 0
    ? `tool_use ids were found without tool_result blocks immediately after: ${[...open].join(', ')}`
    : undefined
}
