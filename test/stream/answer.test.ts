import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Delta } from '../../src/llm/provider.ts'
import { Answer } from '../../src/stream/answer.ts'

const row = {
  id: 'message-3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c4d9',
  date: 0,
  name: 'ana',
  senderId: null,
  stepId: null,
  isErr: false,
  runId: null,
}

/** Any UTF-16, so that a piece may end within a character. */
const piece = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff_ff }).map((unit) => String.fromCharCode(unit)),
  minLength: 1,
})
const delta = fc.record({ type: fc.constantFrom('text' as const, 'reasoning' as const), text: piece })

test('the parts of an answer are what its pieces say, wherever these were cut', () => {
  fc.assert(
    fc.property(fc.array(delta, { maxLength: 40 }), fc.nat(40), (deltas, looksAt) => {
      const answer = new Answer(row)
      const said: { type: Delta['type']; text: string }[] = []
      for (const [index, { type, text }] of deltas.entries()) {
        // To look at it half-way changes nothing.
        if (index === looksAt) expect(answer.parts).toHaveLength(said.length)
        if (type === 'reasoning' && said.at(-1)?.type !== type && text.trim() === '') continue
        answer[type](text)
        if (said.at(-1)?.type === type) said.at(-1)!.text += text
        else said.push({ type, text })
      }
      const parts = answer.parts.map((part) => ({
        type: part.type,
        text: part.type === 'text' ? part.text : part.type === 'reasoning' ? part.reasoning : '',
      }))
      expect(parts).toEqual(said)
    }),
  )
})
