import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Encoder } from '../../src/stream/encoder.ts'
import { endOfPacked, Unpacker } from '../../src/stream/packed.ts'
import { ping } from '../../src/stream/sse.ts'
import type { Frame } from '../../src/wire/message.ts'
import { said } from '../support/log.ts'

const words = fc.string({ unit: 'grapheme', maxLength: 20 })
/** Few heads, so that frames share them, and texts that look like what the packing looks for. */
const message = fc.oneof(
  fc
    .record({ text: fc.oneof(words, fc.constantFrom('+', '\n\nid: 1', '"seq_id":1,"run_id":"x"', '[DONE]')), head: fc.nat(1) })
    .map(({ text, head }): Frame => Object.assign(said(text), { id: `message-${head}` })),
  fc.constant('x').map((): Frame => ping('run-x')),
  words.map((text): Frame => ({
    message_type: 'error_message',
    run_id: 'run-x',
    error_type: text,
    message: text,
    detail: text,
    seq_id: null,
  })),
  fc.constant('x').map((): Frame => ({ message_type: 'stop_reason', stop_reason: 'end_turn', run_id: 'run-x' })),
)

test('what was packed is unpacked to the same bytes, in whatever pieces it was packed', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), fc.array(fc.nat(10)), fc.nat(2000), (messages, sizes, before) => {
      const encoder = new Encoder()
      const frames = messages.map((one, index) => encoder.encode(one, before + index + 1))
      frames.push(encoder.done(before + frames.length + 1))
      const unpacker = new Unpacker()
      const back: string[] = []
      for (const size of [...sizes, frames.length]) {
        const piece = frames.slice(back.length, back.length + size)
        const text = piece.map((frame) => frame.packed).join('')
        const { frames: unpacked, end } = unpacker.unpack(`>${text}<`, before + back.length + 1, piece.length, 1)
        expect(end).toBe(text.length + 1)
        expect(endOfPacked(`>${text}<`, piece.length, 1)).toBe(end)
        back.push(...unpacked)
      }
      expect(back).toEqual(frames.map((frame) => frame.text))
    }),
  )
})

test('a frame is its message as JSON, with its number', () => {
  fc.assert(
    fc.property(fc.array(message), (messages) => {
      const encoder = new Encoder()
      for (const [index, one] of messages.entries()) {
        const data = encoder
          .encode(one, index + 1)
          .text.split('\n')
          .find((line) => line.startsWith('data: '))!
        expect(data).toBe(`data: ${JSON.stringify({ ...one, seq_id: index + 1 })}`)
      }
    }),
  )
})

test('a delta takes little more than what it says', () => {
  const encoder = new Encoder()
  const [, second] = ['one', 'two'].map((text, index) => encoder.encode(said(text), index + 1))
  expect(second!.packed).toBe('{"content":"two"}\n')
})

test('frames that an earlier version stored as they were are read', () => {
  const encoder = new Encoder()
  const frames = ['a', 'b'].map((text, index) => encoder.encode(said(text), index + 1).text)
  expect(new Unpacker().unpack(frames.join(''), 1, 2).frames).toEqual(frames)
})
