import { describe, expect, test } from 'vitest'
import { ProviderError } from '../../src/llm/errors.ts'
import type { Delta, Hear } from '../../src/llm/provider.ts'
import type { Dialect } from '../support/scripted-dialects.ts'
import { dialects, modelCall, textOf } from './call.ts'

/** Everything that is there to be done now, also by sockets, is done some turns later. */
const turns = async () => {
  for (let n = 0; n < 100; n++) await new Promise(setImmediate)
}

/** A failure that would be tried again, were it the model's. */
const passing = () => new ProviderError('overloaded', { name: 'openai', endpoint: 'http://127.0.0.1/v1' })

/** Writes down what it hears, and does with each batch as it is told. */
function listener(onBatch: (batch: Delta[], n: number) => Promise<void> | undefined | void) {
  const batches: Delta[][] = []
  const waiting: (() => void)[] = []
  const hear: Hear = (batch) => {
    batches.push(batch)
    for (const wake of waiting.splice(0)) wake()
    return onBatch(batch, batches.length) ?? undefined
  }
  /** Resolves when it has heard so many batches. */
  const until = async (count: number) => {
    while (batches.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return { batches, hear, until }
}

/** A word, and much later the rest of what makes it a whole answer. */
function lateEnd(dialect: Dialect): string[] {
  const start = dialect.begin() + dialect.piece({ text: 'a' })
  const end = dialect.end('stop')
  const first = end.indexOf('\n\n') + 2
  return [start + end.slice(0, first), ...Array<string>(20).fill(': still here\n\n'), end.slice(first)]
}

const piecesOf = (dialect: Dialect, count: number) => Array.from({ length: count }, () => dialect.piece({ text: 'x' }))

describe.each(dialects)('$name', ({ start, dialect }) => {
  const written = () => dialect('scripted-small')

  test('what came before a failure in the same chunk is heard, and then it fails', async () => {
    const { llm, provider } = await start()
    const answer = written()
    llm.script([{ raw: [`${answer.begin()}${answer.piece({ text: 'ab' })}data: {"type": \n\n`] }])
    const { hear, batches } = listener(() => {})
    await expect(provider.stream(modelCall(), hear)).rejects.toMatchObject({ kind: 'malformed' })
    expect(batches).toEqual([[{ type: 'text', text: 'ab' }]])
    expect(llm.requests).toHaveLength(1)
  })

  test('a listener that throws gets its error back; nothing is asked or told again, and the upstream is closed', async () => {
    const { llm, provider } = await start()
    const error = passing()
    const { hear, batches } = listener(() => {
      throw error
    })
    const answer = written()
    llm.script([{ raw: [answer.begin(), ...piecesOf(answer, 20)], open: true }])
    await expect(provider.stream(modelCall(), hear)).rejects.toBe(error)
    await llm.requests[0]!.closed
    expect(batches).toHaveLength(1)
    expect(llm.requests).toHaveLength(1)
  })

  test('a listener whose promise is rejected gets that very error back; nothing is asked again, and the upstream is closed', async () => {
    const { llm, provider } = await start()
    const error = passing()
    const held = llm.hold()
    const told = Promise.withResolvers<void>()
    const { hear, batches, until } = listener(() => told.promise)
    const stream = provider.stream(modelCall(), hear)
    held.push('a')
    await until(1)
    told.reject(error)
    await expect(stream).rejects.toBe(error)
    await llm.requests[0]!.closed
    expect(batches).toEqual([[{ type: 'text', text: 'a' }]])
    expect(llm.requests).toHaveLength(1)
  })

  test('the same when all of the answer has come meanwhile, and when it is the last word that it fails at', async () => {
    const { llm, provider } = await start()
    for (const failing of [1, 2]) {
      const error = passing()
      const told = Promise.withResolvers<void>()
      const { hear, until } = listener((_, n) => (n === failing ? told.promise : undefined))
      llm.script([{ raw: lateEnd(written()) }])
      const stream = provider.stream(modelCall(), hear)
      const outcome = stream.then(
        () => 'a whole answer',
        (failure: unknown) => failure,
      )
      await until(failing)
      await turns()
      told.reject(error)
      expect(await outcome, `batch ${failing}`).toBe(error)
    }
    expect(llm.requests).toHaveLength(2)
  })

  test('a listener that is not ready is told nothing more until it is, and the answer is not over before', async () => {
    const { llm, provider } = await start()
    const answer = written()
    llm.script([{ raw: [answer.begin(), ...piecesOf(answer, 40), answer.end('stop')] }])
    let busy = false
    let tooSoon = 0
    const { hear, batches } = listener(async () => {
      if (busy) tooSoon++
      busy = true
      await turns()
      busy = false
    })
    await provider.stream(modelCall(), hear)
    expect(busy).toBe(false)
    expect(textOf(batches.flat())).toBe('x'.repeat(40))
    expect(tooSoon).toBe(0)
  })

  test('an answer is not over before the listener is ready, though all of it has come', async () => {
    const { llm, provider } = await start()
    const told = Promise.withResolvers<void>()
    const { hear, batches, until } = listener((_, n) => (n === 1 ? told.promise : undefined))
    llm.script([{ raw: lateEnd(written()) }])
    let over = false
    const stream = provider.stream(modelCall(), hear).then(() => (over = true))
    await until(1)
    await turns()
    expect({ over, heard: batches }).toEqual({ over: false, heard: [[{ type: 'text', text: 'a' }]] })
    told.resolve()
    await stream
    expect(batches.flat().map(({ type }) => type)).toEqual(['text', 'finish'])
  })

  test('nothing is heard after an abort, though it is there already', async () => {
    const { llm, provider } = await start()
    const answer = written()
    const abort = new AbortController()
    const { hear, batches } = listener(() => abort.abort(new Error('cancelled')))
    llm.script([{ raw: [answer.begin(), ...piecesOf(answer, 20), answer.end('stop')] }])
    await expect(provider.stream(modelCall({ signal: abort.signal }), hear)).rejects.toThrow('cancelled')
    await llm.requests[0]!.closed
    await turns()
    expect(batches).toHaveLength(1)
  })

  test('an abort does not wait for a listener that is not ready', async () => {
    const { llm, provider } = await start()
    const held = llm.hold()
    const abort = new AbortController()
    const never = Promise.withResolvers<void>()
    const { hear, batches, until } = listener(() => never.promise)
    const stream = provider.stream(modelCall({ signal: abort.signal }), hear)
    held.push('a')
    await until(1)
    held.push('b')
    abort.abort(new Error('cancelled'))
    await expect(stream).rejects.toThrow('cancelled')
    await llm.requests[0]!.closed
    never.resolve()
    await turns()
    expect(batches).toHaveLength(1)
  })

  test('a listener that is told of a further try can stop it, at once or later', async () => {
    const { llm, provider } = await start()
    const enough = new Error('enough')
    llm.script(() => ({ status: 500 }))
    const throws: Hear = () => {
      throw enough
    }
    await expect(provider.stream(modelCall(), throws)).rejects.toBe(enough)
    await expect(provider.stream(modelCall(), () => Promise.reject(enough))).rejects.toBe(enough)
    expect(llm.requests).toHaveLength(2)
  })
})
