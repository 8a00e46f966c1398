export interface ScriptedUsage {
  promptTokens?: number
  completionTokens?: number
  cachedTokens?: number
  /** Anthropic only. */
  cacheWriteTokens?: number
  reasoningTokens?: number
}

export type Piece =
  | { text: string }
  | { reasoning: string }
  | { signature: string }
  | { redacted: string }
  | { call: { index: number; id: string; name: string } }
  | { index: number; arguments: string }

/** How a maker writes the same answer; each string is one network chunk. */
export interface Dialect {
  begin(usage?: ScriptedUsage): string
  piece(piece: Piece): string
  end(finish: string, usage?: ScriptedUsage): string
  error(message: string): unknown
}

export function openAiDialect(model: string): Dialect {
  const chunk = (fields: object) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, ...fields })}\n\n`
  const choice = (delta: object, finish_reason: string | null = null) =>
    chunk({ choices: [{ index: 0, delta, finish_reason }] })
  return {
    begin: () => choice({ role: 'assistant', content: '' }),
    piece(piece) {
      if ('text' in piece) return choice({ content: piece.text })
      if ('reasoning' in piece) return choice({ reasoning_content: piece.reasoning })
      if ('call' in piece) {
        const { index, id, name } = piece.call
        return choice({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] })
      }
      return 'index' in piece ? choice({ tool_calls: [{ index: piece.index, function: { arguments: piece.arguments } }] }) : ''
    },
    end(finish, { promptTokens = 10, completionTokens = 5, cachedTokens = 0, reasoningTokens = 0 } = {}) {
      const usage = {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
        prompt_tokens_details: { cached_tokens: cachedTokens },
        completion_tokens_details: { reasoning_tokens: reasoningTokens },
      }
      return `${choice({}, finish)}${chunk({ choices: [], usage })}data: [DONE]\n\n`
    },
    error: (message) => ({ error: { message, type: 'invalid_request_error', param: null, code: null } }),
  }
}

const stopReasons: Record<string, string> = {
  stop: 'end_turn',
  tool_calls: 'tool_use',
  length: 'max_tokens',
  content_filter: 'refusal',
}

const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

export function anthropicDialect(model: string): Dialect {
  let index = -1
  let open = ''
  const close = () => (open === '' ? '' : event('content_block_stop', { index }))
  /** The block that a delta of this kind belongs to, opened if it is not. */
  const block = (kind: string, content_block: object) => {
    if (open === kind) return ''
    const closed = close()
    open = kind
    index += 1
    return `${closed}${event('content_block_start', { index, content_block })}`
  }
  const delta = (fields: object) => event('content_block_delta', { index, delta: fields })
  return {
    begin({ promptTokens = 10, cachedTokens = 0, cacheWriteTokens = 0 } = {}) {
      const usage = {
        input_tokens: promptTokens,
        output_tokens: 1,
        cache_read_input_tokens: cachedTokens,
        cache_creation_input_tokens: cacheWriteTokens,
      }
      return event('message_start', {
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage,
        },
      })
    },
    piece(piece) {
      if ('text' in piece) return block('text', { type: 'text', text: '' }) + delta({ type: 'text_delta', text: piece.text })
      if ('reasoning' in piece) {
        return (
          block('thinking', { type: 'thinking', thinking: '', signature: '' }) +
          delta({ type: 'thinking_delta', thinking: piece.reasoning })
        )
      }
      if ('signature' in piece) return delta({ type: 'signature_delta', signature: piece.signature })
      if ('redacted' in piece) return block('redacted', { type: 'redacted_thinking', data: piece.redacted })
      if ('call' in piece)
        return block(`call ${piece.call.index}`, { type: 'tool_use', id: piece.call.id, name: piece.call.name, input: {} })
      return delta({ type: 'input_json_delta', partial_json: piece.arguments })
    },
    end(finish, { completionTokens = 5 } = {}) {
      const last = {
        delta: { stop_reason: stopReasons[finish] ?? finish, stop_sequence: null },
        usage: { output_tokens: completionTokens },
      }
      return `${close()}${event('message_delta', last)}${event('message_stop', {})}`
    },
    error: (message) => ({ type: 'error', error: { type: 'invalid_request_error', message } }),
  }
}
