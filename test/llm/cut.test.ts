import { describe, expect, test } from 'vitest'
import { ProviderError } from '../../src/llm/errors.ts'
import type { Delta, Provider } from '../../src/llm/provider.ts'
import type { Dialect } from '../support/scripted-dialects.ts'
import { dialects, folded, modelCall } from './call.ts'

/** About 2 KB of reasoning, text and a tool call; `whole` is how many bytes of it are a whole answer. */
function answerOf(dialect: Dialect): { bytes: Buffer; whole: number } {
  const before = [
    dialect.begin(),
    dialect.piece({ reasoning: 'Let me think: é€😀.' }),
    dialect.piece({ text: 'I look ' }),
    dialect.piece({ text: 'it up für dich.' }),
    dialect.piece({ call: { index: 0, id: 'call_1', name: 'weather' } }),
    dialect.piece({ index: 0, arguments: '{"place": "Saint-' }),
    dialect.piece({ index: 0, arguments: 'Étienne", "days": 3}' }),
  ].join('')
  const end = dialect.end('tool_calls')
  // What says why it ended: OpenAI's first event of the end, Anthropic's last.
  const finish = end.includes('[DONE]') ? end.slice(0, end.indexOf('\n\n') + 2) : end
  return { bytes: Buffer.from(before + end), whole: Buffer.byteLength(before + finish) }
}

/** The model's name says behind which byte it is cut off. */
async function outcomeOf(provider: Provider, at: number): Promise<{ at: number; deltas: Delta[]; error: unknown }> {
  const deltas: Delta[] = []
  try {
    await provider.stream(modelCall({ model: `${at}` }), (batch) => void deltas.push(...batch))
    return { at, deltas, error: undefined }
  } catch (error) {
    return { at, deltas, error }
  }
}

/** Everything that came, as one text: of a part of an answer it is the beginning of what it is of the whole. */
const saidBy = (deltas: Delta[]): string =>
  folded(deltas)
    .map((delta) => {
      if (delta.type === 'tool_call') return `${delta.name}(${delta.arguments}`
      return 'text' in delta ? `${delta.type}: ${delta.text}` : ''
    })
    .join('')

describe.each(dialects)('F35 $name', ({ start, dialect }) => {
  const { bytes, whole } = answerOf(dialect('scripted-small'))

  test.each(['cut', 'ended'])(
    'an answer that is %s behind any byte is a passing failure, and has a finish only if whole',
    async (how) => {
      const { llm, provider } = await start({ retry: { backoffMs: [] } })
      llm.script(({ model }) => ({
        raw: [bytes.subarray(0, Number(model))],
        cut: how === 'cut' && Number(model) < bytes.length,
      }))
      const full = await outcomeOf(provider, bytes.length)
      expect(full.deltas.at(-1)).toMatchObject({ type: 'finish', reason: 'tool_calls' })
      for (let first = 0; first < bytes.length; first += 32) {
        const some = Array.from({ length: Math.min(32, bytes.length - first) }, (_, index) =>
          outcomeOf(provider, first + index),
        )
        for (const { at, deltas, error } of await Promise.all(some)) {
          const finished = deltas.some(({ type }) => type === 'finish')
          expect(saidBy(full.deltas).startsWith(saidBy(deltas)), `byte ${at}: ${saidBy(deltas)}`).toBe(true)
          if (finished) expect(saidBy(deltas)).toBe(saidBy(full.deltas))
          // The end of a stream closes its last line; whoever cut it off does not.
          if (at < whole - 2) expect(finished, `byte ${at}`).toBe(false)
          if (at >= whole) expect(finished, `byte ${at}: ${String(error)}`).toBe(true)
          if (finished) continue
          expect(error).toBeInstanceOf(ProviderError)
          expect(error, `byte ${at}`).toMatchObject({ kind: 'connection', transient: true, stopReason: 'llm_api_error' })
        }
      }
    },
  )
})
