import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpokenText } from '../../src/stream/spoken.ts'

const cutAnywhere = (json: string, cuts: number[]) => {
  const at = [0, ...cuts.map((cut) => cut % (json.length + 1)).toSorted((a, b) => a - b), json.length]
  return at.slice(1).map((end, index) => json.slice(at[index], end))
}

test('however the JSON comes in pieces, the pieces of the text are the text', () => {
  const text = fc.string({ unit: 'grapheme' })
  fc.assert(
    fc.property(text, text, fc.nat(4), fc.array(fc.nat(200), { maxLength: 12 }), (message, other, indent, cuts) => {
      const json = JSON.stringify({ thinking: other, message, more: [other, { message: 'not this' }] }, null, indent)
      const spoken = new SpokenText('message')
      expect(
        cutAnywhere(json, cuts)
          .map((piece) => spoken.take(piece))
          .join(''),
      ).toBe(message)
    }),
  )
})

test('what is no string says nothing', () => {
  for (const json of ['{"message": 5}', '{"message": null}', '[]', '{"other": "x"}', '']) {
    expect(new SpokenText('message').take(json)).toBe('')
  }
})
