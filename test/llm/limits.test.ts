import { describe, expect, test } from 'vitest'
import { ProviderError } from '../../src/llm/errors.ts'
import { collect, dialects, failing, textOf } from './call.ts'

const MEGABYTE = 'x'.repeat(1 << 20)

describe.each(dialects)('F41 $name', ({ start, dialect }) => {
  const written = () => dialect('scripted-small')

  test('an answer of 100 MB is cut at the limit, and what came before it stays', async () => {
    const { llm, provider } = await start({ answerLimitBytes: 3_500_000, retry: { backoffMs: [] } })
    const model = written()
    const begin = model.begin()
    llm.script([{ raw: [begin, ...Array.from({ length: 100 }, () => model.piece({ text: MEGABYTE }))] }])
    const { deltas, error } = await failing(provider)
    expect(error).toMatchObject({ kind: 'malformed', stopReason: 'invalid_llm_response', transient: false })
    expect(error.message).toContain('more than 3500000 bytes')
    expect(textOf(deltas).length).toBeLessThan(3_500_000)
    await llm.requests[0]!.closed
  })

  test('a line without an end is cut, long before the limit of an answer', async () => {
    const { llm, provider } = await start({ retry: { backoffMs: [] } })
    llm.script([{ raw: ['data: ', ...Array.from({ length: 100 }, () => MEGABYTE)] }])
    const { error } = await failing(provider)
    expect(error).toMatchObject({ kind: 'malformed', message: expect.stringContaining('4194304') })
    await llm.requests[0]!.closed
  })

  test('tokens without end are cut by size, too', async () => {
    const { llm, provider } = await start({ answerLimitBytes: 50_000, retry: { backoffMs: [] } })
    llm.script([{ text: 'word '.repeat(100_000) }])
    const { deltas, error } = await failing(provider)
    expect(error).toMatchObject({ kind: 'malformed' })
    expect(deltas.some(({ type }) => type === 'finish')).toBe(false)
    await llm.requests[0]!.closed
  })

  test('an error that does not end is read no further than it needs to be', async () => {
    const { llm, provider } = await start({ answerLimitBytes: 500_000, retry: { backoffMs: [] } })
    llm.script([{ status: 400, body: MEGABYTE }])
    const { error } = await failing(provider)
    expect(error).toBeInstanceOf(ProviderError)
    expect(error.message.length).toBeLessThan(1000)
  })

  test('a line of 1 MB is none too many', async () => {
    const { llm, provider } = await start()
    llm.script([{ text: MEGABYTE, chunk: 1 << 20 }])
    expect(textOf(await collect(provider))).toBe(MEGABYTE)
  })
})
