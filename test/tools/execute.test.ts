import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { defaultLimits, type ExecuteOptions, executeCalls } from '../../src/tools/execute.ts'
import { ToolError, type ToolCallContext, type ToolOutput, type ToolSource } from '../../src/tools/tool.ts'
import type { Tool } from '../../src/wire/tool.ts'
import { captureLogs } from '../support/logs.ts'
import { caller, tool } from './caller.ts'

type Run = (args: Record<string, unknown>, call: ToolCallContext, tool: Tool) => Promise<ToolOutput> | ToolOutput

const sourceOf = (run: Run): ToolSource => ({ run: async (row, args, call) => run(args, call, row), close: async () => {} })
const call = (name: string, args = '{}', id = name) => ({ id, name, arguments: args })

/** Runs calls of tools that are all run by `run`. */
const execute = (run: Run, options: Partial<ExecuteOptions> & Pick<ExecuteOptions, 'calls'>) =>
  executeCalls({ tools: [tool('look')], source: sourceOf(run), context: caller(), stepId: 'step-1', ...options })

const one = async (run: Run, options: Partial<ExecuteOptions> & { args?: string } = {}) => {
  const [result] = await execute(run, { calls: [call('look', options.args)], ...options })
  return result!
}

const never = () => Promise.withResolvers<ToolOutput>().promise
const text = (given: string) => () => ({ text: given })

test('a call has its result, with what was printed', async () => {
  const run = vi.fn<Run>(() => ({ text: 'seen', stdout: ['hm'] }))
  expect(await one(run, { args: '{"at":"sea"}' })).toEqual({
    id: 'look',
    name: 'look',
    output: { text: 'seen', stdout: ['hm'] },
    isError: false,
  })
  expect(run.mock.calls[0]![0]).toEqual({ at: 'sea' })
  expect(run.mock.calls[0]![1]).toMatchObject({ tenant: 'org', callKey: 'step-1/look' })
})

test('null for an optional argument is as good as none; where null is allowed, or the argument wanted, it is told', async () => {
  const run = vi.fn<Run>(() => ({ text: 'seen' }))
  const properties = { at: { type: 'string' }, limit: { type: 'integer' }, until: { type: ['string', 'null'] } }
  const tools = [tool('look', { parameters: { properties, required: ['at'] } })]
  expect(await one(run, { tools, args: '{"at":"sea","limit":null,"until":null}' })).toMatchObject({ isError: false })
  expect(run.mock.calls[0]![0]).toEqual({ at: 'sea', until: null })
  expect(await one(run, { tools, args: '{"at":null}' })).toMatchObject({ isError: true })
})

test('F39 whatever happens, there is one result for each call, in order', async () => {
  const logs = captureLogs()
  const kinds = fc.constantFrom('fine', 'wrong', 'broken', 'unknown', 'badly called', 'refused')
  await fc.assert(
    fc.asyncProperty(fc.array(kinds, { maxLength: 40 }), fc.boolean(), async (names, parallel) => {
      const tools = ['fine', 'wrong', 'broken', 'badly called', 'refused'].map((name) =>
        tool(name, { enable_parallel_execution: parallel }),
      )
      const calls = names.map((name, index) => ({
        ...call(name, name === 'badly called' ? '{"a' : '{}', `call-${index}`),
        refused: name === 'refused' ? 'no' : undefined,
      }))
      const run: Run = (_args, _call, { name }) => {
        if (name === 'wrong') throw new ToolError('not so')
        if (name === 'broken') throw new TypeError('secret')
        return { text: 'ok' }
      }
      const results = await execute(run, { calls, tools })
      expect(results.map(({ id, name }) => ({ id, name }))).toEqual(calls.map(({ id, name }) => ({ id, name })))
      expect(results.map(({ isError }) => isError)).toEqual(names.map((name, index) => name !== 'fine' || index >= 32))
      expect(JSON.stringify(results)).not.toContain('secret')
    }),
  )
  expect(logs.lines).not.toEqual([])
})

test('neighbours that may run at once do; all others run alone, in order', async () => {
  const events: string[] = []
  const gates = new Map<string, () => void>()
  const run: Run = async (_args, { callKey }) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    events.push(`+${callKey.at(-1)}`)
    gates.set(callKey.at(-1)!, resolve)
    await promise
    events.push(`-${callKey.at(-1)}`)
    return { text: callKey.at(-1)! }
  }
  const tools = [tool('look', { enable_parallel_execution: true }), tool('act')]
  const calls = [call('look', '', '1'), call('look', '', '2'), call('act', '', '3'), call('look', '', '4')]
  const results = execute(run, { calls, tools })
  for (const [finish, begun] of [
    ['2', ['1', '2']],
    ['1', ['1', '2']],
    ['3', ['1', '2', '3']],
    ['4', ['1', '2', '3', '4']],
  ] as const) {
    await vi.waitUntil(() => gates.has(finish), { interval: 1 })
    expect([...gates.keys()]).toEqual(begun)
    gates.get(finish)!()
  }
  expect((await results).map(({ output }) => output.text)).toEqual(['1', '2', '3', '4'])
  expect(events).toEqual(['+1', '+2', '-2', '-1', '+3', '-3', '+4', '-4'])
})

test.each([
  ['', {}],
  ['  ', {}],
  ['{"n": 3, "deep": {"constructor": 1}}', { n: 3, deep: { constructor: 1 } }],
])('arguments %j are read', async (args, expected) => {
  const run = vi.fn<Run>(text('ok'))
  await one(run, { args })
  expect(run.mock.calls[0]![0]).toEqual(expected)
})

test.each([
  ['{"n": 3', 'The arguments are not valid JSON'],
  ['[1]', 'The arguments must be a JSON object'],
  ['null', 'The arguments must be a JSON object'],
  ['{}', 'The argument "n" is required'],
  ['{"n": "3"}', 'The argument "n" must be an integer'],
  ['{"n": 3, "list": [{"m": "x"}, {"m": 1}]}', 'The argument "list[1].m" must be a string'],
  ['{"n": 3, "extra": 1}', 'The argument "extra" is not allowed'],
  ['{"n": 3, "__proto__": {"admin": true}}', 'The argument "__proto__" is not allowed'],
  ['{"n": 3, "list": [{"\\u005f_proto__": 1}]}', 'The argument "__proto__" is not allowed'],
  [`{"n": ${'['.repeat(101)}${']'.repeat(101)}}`, 'The arguments are nested more than 100 levels deep'],
  [`{"n": ${'['.repeat(400_000)}${']'.repeat(400_000)}}`, 'The arguments '],
  [`{"n": "${'x'.repeat(1_000_000)}"}`, 'The arguments have more than 1000000 characters'],
])('F39 the model reads what is wrong with its arguments: %.60s', async (args, reason) => {
  const parameters = {
    properties: { n: { type: 'integer' }, list: { items: { properties: { m: { type: 'string' } } } } },
    required: ['n'],
    additionalProperties: false,
  }
  const run = vi.fn<Run>(text('ok'))
  const { output, isError } = await one(run, { args, tools: [tool('look', { parameters })] })
  expect(output.text.slice(0, `Error executing function look: ${reason}`.length)).toBe(
    `Error executing function look: ${reason}`,
  )
  expect(isError).toBe(true)
  expect(run).not.toHaveBeenCalled()
})

test('a tool whose schema makes no sense, or that has none, is run unchecked', async () => {
  const schemas = [null, { parameters: { type: 'strange', required: 'yes', properties: [] } }, { parameters: { $ref: '#/x' } }]
  for (const json_schema of schemas) {
    expect((await one(text('ok'), { args: '{"a":1}', tools: [{ ...tool('look'), json_schema }] })).isError).toBe(false)
  }
})

test('what a rule sets wins over what the model wrote', async () => {
  const run = vi.fn<Run>(text('ok'))
  const tools = [tool('look', { parameters: { properties: { a: {}, b: { type: 'string' } }, required: ['a', 'b'] } })]
  await execute(run, { calls: [{ ...call('look', '{"a":1,"b":2}'), prefilled: { b: 'set' } }], tools })
  expect(run.mock.calls[0]![0]).toEqual({ a: 1, b: 'set' })
})

test.each([[{ unknown: 1 }], [{ n: 'three' }]])(
  'arguments of a rule that do not fit are nobody’s to mend: %j',
  async (prefilled) => {
    const tools = [tool('look', { parameters: { properties: { n: { type: 'integer' } } } })]
    const [result] = await execute(text('ok'), { calls: [{ ...call('look'), prefilled }], tools })
    expect(result).toMatchObject({ isError: true, badPrefill: true })
  },
)

test('F44 a tool that the agent has not is not found', async () => {
  expect(await execute(text('ok'), { calls: [call('nothing')] })).toEqual([
    { id: 'nothing', name: 'nothing', output: { text: 'Tool not found' }, isError: true },
  ])
})

test('what the model can mend it reads, cut; what it cannot stays with us', async () => {
  const logs = captureLogs()
  const mendable = await one(() => {
    throw new ToolError('x'.repeat(5000), { stdout: ['half done'], stderr: ['trace'] })
  })
  expect(mendable.output).toEqual({
    text: `Error executing function look: ${'x'.repeat(1000)}`.slice(0, 1000),
    stdout: ['half done'],
    stderr: ['trace'],
  })
  expect((await one(() => Promise.reject(new ToolError('no')))).output.stderr).toEqual(['Error executing function look: no'])
  expect(logs.lines).toEqual([])
  const error = new Error('password')
  const broken = await one(() => Promise.reject(error))
  expect(broken.output.text).toBe('Error executing function look: it failed inside the server')
  expect(logs.lines).toMatchObject([{ level: 'error', tool: 'look', err: { message: 'password' } }])
})

test('F90 too long an output is cut, with a note, and never inside a character', async () => {
  const tools = [tool('look', { return_char_limit: 5 })]
  const long = await one(
    () => ({ text: 'abcd😀efgh', stdout: ['ab', 'cdef', 'g'], stderr: Array.from({ length: 9 }, () => '') }),
    { tools },
  )
  expect(long.output.text).toBe('abcd\ufffd\n[Cut: this is the beginning, 5 of 10 characters]')
  expect(long.output.stdout).toEqual(['ab', 'cd', '[Cut: this is the beginning of 3 lines]'])
  expect(long.output.stderr!.length).toBeLessThan(10)
  expect((await one(text('abcde'), { tools })).output.text).toBe('abcde')
  const flood = await one(() => ({ text: 'x'.repeat(100_000_000) }))
  expect(flood.output.text.length).toBeLessThan(50_100)
})

test('a search shows all that it found', async () => {
  const tools = [tool('conversation_search', { tool_type: 'letta_core', return_char_limit: 5 })]
  const [result] = await execute(text('a long result'), { calls: [call('conversation_search')], tools })
  expect(result!.output.text).toBe('a long result')
})

test('F90 of very many calls the first are run, and the others told so', async () => {
  const run = vi.fn<Run>(text('ok'))
  const calls = Array.from({ length: 1000 }, (_, index) => call('look', '{}', `${index}`))
  const results = await execute(run, { calls })
  expect(run).toHaveBeenCalledTimes(32)
  expect(results.length).toBe(1000)
  expect(results[32]).toMatchObject({ isError: true, output: { text: expect.stringContaining('Only 32 calls') } })
})

test('F90 a tool that never ends is told, left behind, and said to be slow; one that waits for agents has more time', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const given: AbortSignal[] = []
  const stuck: Run = (_args, { signal }) => {
    given.push(signal)
    return never()
  }
  const slow = one(stuck)
  const patient = one(stuck, { tools: [tool('look', { tool_type: 'letta_multi_agent_core' })] })
  await vi.advanceTimersByTimeAsync(defaultLimits.callMs)
  expect(given.map(({ aborted }) => aborted)).toEqual([true, false])
  expect((await slow).output.text).toBe('Error executing function look: It took longer than 120 seconds')
  await vi.advanceTimersByTimeAsync(defaultLimits.replyMs)
  expect((await patient).isError).toBe(true)
})

test.each([
  [
    'heeds it',
    (signal: AbortSignal) => new Promise<ToolOutput>((_, no) => signal.addEventListener('abort', () => no(new Error('gone')))),
  ],
  ['does not', never],
])('F90 an abort of the run is no result, whether the tool %s', async (_name, wait) => {
  const abort = new AbortController()
  const reason = new Error('cancelled')
  const calls = [call('look', '', '1'), call('look', '', '2')]
  const run = vi.fn<Run>((_args, { signal }) => {
    queueMicrotask(() => abort.abort(reason))
    return wait(signal)
  })
  await expect(execute(run, { calls, context: caller({ signal: abort.signal }) })).rejects.toBe(reason)
  expect(run).toHaveBeenCalledTimes(1)
  expect(getEventListeners(abort.signal, 'abort')).toEqual([])
})

test('nothing is begun after an abort, and a run leaves no listeners', async () => {
  const run = vi.fn<Run>(text('ok'))
  await expect(execute(run, { calls: [call('look')], context: caller({ signal: AbortSignal.abort('stop') }) })).rejects.toBe(
    'stop',
  )
  expect(run).not.toHaveBeenCalled()
  const { signal } = new AbortController()
  await one(run, { context: caller({ signal }) })
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
