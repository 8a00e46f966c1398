import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Sandbox, type SandboxSettings } from '../../src/tools/sandbox.ts'
import { ToolError, type ToolOutput } from '../../src/tools/tool.ts'
import { tempFolder } from '../support/server.ts'

interface RunOptions {
  type?: 'javascript' | 'typescript' | 'python'
  args?: Record<string, unknown>
  env?: Record<string, string>
  signal?: AbortSignal
  settings?: Partial<SandboxSettings>
}

/** Runs the function `tool` of a source in a sandbox of its own. */
async function run(
  source: string,
  { type = 'javascript', args = {}, env = {}, signal, settings }: RunOptions = {},
): Promise<ToolOutput> {
  const sandbox = new Sandbox({ customTools: true, toolMs: 20_000, toolMemoryBytes: 256 * 1024 * 1024, ...settings })
  onTestFinished(() => sandbox.close())
  const never = new AbortController().signal
  return await sandbox.runSource({ name: 'tool', source_type: type, source_code: source }, args, env, signal ?? never)
}

/** What it failed with. */
async function failure(source: string, options?: RunOptions): Promise<ToolError> {
  const error: unknown = await run(source, options).then(
    ({ text }) => new Error(`it gave ${text.slice(0, 100)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof ToolError)) throw error
  return error
}

const short = { settings: { toolMs: 1000 } }
const tooLong = /took longer/

describe('JavaScript', () => {
  test('a function is called with one object; text comes back as it is, all else as JSON, printed lines beside it', async () => {
    const source = 'async function tool({ a }) { console.log("a is", a, { a }); await null; return `${a + 1}` }'
    expect(await run(source, { args: { a: 1 } })).toEqual({ text: '2', stdout: ['a is 1 {"a":1}'], stderr: [] })
    expect(await run('const tool = () => ({ list: [1, null] })')).toMatchObject({ text: '{"list":[1,null]}' })
    expect(await run('function tool() {}')).toMatchObject({ text: 'null' })
    expect(await run('export default function tool() { return process.env.KEY }', { env: { KEY: 'v' } })).toMatchObject({
      text: 'v',
    })
  })

  test('types are taken out of TypeScript', async () => {
    const source = 'interface A { a: number }\nexport function tool({ a }: A): string { return `${a satisfies number}` }'
    expect(await run(source, { type: 'typescript', args: { a: 7 } })).toMatchObject({ text: '7' })
    expect((await failure('enum A { B }; function tool() {}', { type: 'typescript' })).message).toContain('enum')
  })

  test('what the source does wrong is said', async () => {
    expect(await failure('function tool() { console.log("so far"); throw new TypeError("no") }')).toMatchObject({
      message: 'TypeError: no',
      stdout: ['so far'],
    })
    expect((await failure('function other() {}')).message).toBe('The source defines no function tool')
    expect((await failure('function tool( {')).message).toContain('SyntaxError')
    expect((await failure('function tool() { return new Promise(() => {}) }')).message).toContain('never comes')
    expect((await failure('await new Promise(() => {}); function tool() {}')).message).toContain('never comes')
    expect((await failure('function tool() { return 10n }')).message).toContain('BigInt')
  })

  // Each with what its end says: a limit that it broke, or a thing that is not there. A result of its own would be an escape.
  const hostile: Record<string, [source: string, end: RegExp, options?: RunOptions]> = {
    'an infinite loop': ['function tool() { for (;;); }', tooLong, short],
    'an infinite loop at the top level': ['for (;;); function tool() {}', tooLong, short],
    'an infinite chain of promises': [
      'function tool() { const f = () => Promise.resolve().then(f); return f() }',
      tooLong,
      short,
    ],
    'a flood of promises': [
      'function tool() { const f = () => { Promise.resolve().then(f).then(f) }; f(); return new Promise(() => {}) }',
      /took longer|out of memory/,
      short,
    ],
    'a regular expression bomb': ['function tool() { return /^(a+)+$/.test("a".repeat(50) + "b") }', tooLong, short],
    'a flood of lines': ['function tool() { for (;;) console.log("x".repeat(1e5)) }', tooLong, short],
    'an endless toJSON': ['function tool() { return { toJSON() { for (;;); } } }', tooLong, short],
    'an error that never ends': ['function tool() { throw { get message() { for (;;); } } }', tooLong, short],
    'a memory bomb of arrays': ['function tool() { const a = []; for (;;) a.push(new Array(1e5).fill(1)) }', /out of memory/],
    'a memory bomb of strings': [
      'function tool() { const a = []; for (let i = 0; ; i++) a.push("x".repeat(1e6) + i) }',
      /out of memory/,
    ],
    'one string that doubles': ['function tool() { let s = "x"; for (;;) s += s }', /too long|out of memory/],
    'a memory bomb of typed arrays': [
      'function tool() { const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1)) }',
      /out of memory/,
    ],
    'a memory bomb of objects': [
      'function tool() { const m = new Map(); for (let i = 0; ; i++) m.set(i, {}) }',
      /out of memory/,
    ],
    'a stack overflow': ['function tool() { return tool() + 1 }', /stack overflow|recursion/],
    'a stack overflow in toJSON': [
      'function tool() { return { toJSON() { return this.toJSON() } } }',
      /stack overflow|recursion/,
    ],
    'a stack overflow of the parser': ['function tool() { return eval("[".repeat(1e5)) }', /stack overflow|recursion/],
    'a stack overflow of the type stripper': [
      `${'('.repeat(1e5)} function tool() {}`,
      /cannot be read/,
      { type: 'typescript' },
    ],
    'this.constructor.constructor': [
      'function tool() { return this.constructor.constructor("return process")() }',
      /TypeError/,
    ],
    'a function constructor': ['function tool() { return tool.constructor("return process")() }', /'process' is not defined/],
    'a generator constructor': [
      'function tool() { return (function* () {}).constructor("yield process")().next() }',
      /'process' is not defined/,
    ],
    'an indirect eval': ['function tool() { return (0, eval)("process.exit()") }', /'process' is not defined/],
    'the constructor of what is given': [
      'function tool(a) { return a.constructor.constructor("return require")() }',
      /is not defined/,
    ],
    'the constructor of console.log': [
      'function tool() { return console.log.constructor("return process")() }',
      /is not defined/,
    ],
    'a caller on the stack': [
      'function tool() { Error.prepareStackTrace = (e, s) => s; return new Error().stack[0].getThis() }',
      /TypeError|not a function/,
    ],
    process: ['function tool() { return process.env }', /'process' is not defined/],
    require: ['function tool() { return require("fs") }', /'require' is not defined/],
    'a dynamic import': ['async function tool() { return await import("fs") }', /could not load module/],
    'a static import': ['import fs from "node:fs"; function tool() { return fs }', /could not load module/],
    'an import of a file': ['async function tool() { return await import("/etc/passwd") }', /could not load module/],
    fetch: ['function tool() { return fetch("http://127.0.0.1") }', /'fetch' is not defined/],
    timers: ['function tool() { return setTimeout(() => {}, 1e9) }', /'setTimeout' is not defined/],
    WebAssembly: ['function tool() { return WebAssembly }', /'WebAssembly' is not defined/],
    'a huge result': ['function tool() { return "x".repeat(2e6) }', /are allowed/],
    'a huge error': ['function tool() { throw new Error("x".repeat(1e7)) }', /^Error: x{1900}/],
  }

  test.each(Object.entries(hostile))('F91 %s is contained', async (_, [source, end, options]) => {
    expect((await failure(source, options)).message).toMatch(end)
  })

  test('F91 a source that changes every global changes them for itself', async () => {
    const source = `
      JSON.stringify = () => { throw 1 }
      Promise.prototype.then = () => { throw 2 }
      Array.prototype.map = Array.prototype.join = null
      Object.prototype.toJSON = () => 'poison'
      globalThis.String = globalThis.Promise = null
      function tool() { return 'whole' }`
    expect(await run(source)).toMatchObject({ text: 'whole' })
    expect(await run('function tool() { return [typeof JSON.stringify, typeof String, {}.toJSON] }')).toMatchObject({
      text: '["function","function",null]',
    })
  })

  test('F91 neither a file nor the environment of the server is read, whichever way it is asked for', async () => {
    const file = join(tempFolder(), 'canary.txt')
    writeFileSync(file, 'canary-in-a-file')
    process.env['CANARY'] = 'canary-in-the-environment'
    onTestFinished(() => void delete process.env['CANARY'])
    const path = JSON.stringify(file)
    const ways = [
      `const tool = async () => await import(${path})`,
      `const tool = async () => await import(${path}, { with: { type: 'text' } })`,
      `const tool = () => require('fs').readFileSync(${path}, 'utf8')`,
      `const tool = () => globalThis.process?.mainModule.require('fs').readFileSync(${path}, 'utf8')`,
      `const tool = () => new Function('return process.env.CANARY')()`,
      `const tool = () => [typeof process, typeof std, typeof os, typeof Deno, typeof load, Object.getOwnPropertyNames(globalThis)]`,
      `const tool = () => { try { return std.loadFile(${path}) } catch (error) { return error.stack } }`,
      `const tool = () => JSON.stringify(globalThis.process?.env ?? {})`,
    ]
    for (const source of ways) {
      const outcome = await run(source).catch((error: unknown) => error)
      const said = outcome instanceof ToolError ? [outcome.message, outcome.stdout, outcome.stderr] : outcome
      expect(JSON.stringify(said), source).not.toContain('canary-in')
    }
  })

  test('F91 what is printed has an end', async () => {
    const { stdout = [] } = await run('function tool() { for (let i = 0; i < 1000; i++) console.log("x".repeat(1e4)) }')
    expect(stdout.join('').length).toBeLessThan(1024 * 1024)
  })

  test('F91 the server does not feel it', async () => {
    const delay = monitorEventLoopDelay({ resolution: 10 })
    delay.enable()
    const bombs = [
      'an infinite loop',
      'a memory bomb of typed arrays',
      'a flood of promises',
      'a stack overflow',
      'a huge result',
    ]
    const sandbox = new Sandbox({ customTools: true, toolMs: 1000, toolMemoryBytes: 2 ** 28 })
    onTestFinished(() => sandbox.close())
    const often = Array.from({ length: 5 }, () => bombs).flat()
    const calls = often.map((name) => {
      const source = { name: 'tool', source_type: 'javascript', source_code: hostile[name]![0] }
      return sandbox.runSource(source, {}, {}, new AbortController().signal)
    })
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
    delay.disable()
    const p99Ms = delay.percentile(99) / 1e6
    console.info(`event-loop delay beside ${often.length} hostile tools: p99 ${Math.round(p99Ms)} ms`)
    // The bound is a time, so it is held where a machine is given to it: CHECK_BOUNDS=1. Everywhere, the loop goes on turning.
    expect(delay.count).toBeGreaterThan(100)
    if (process.env['CHECK_BOUNDS']) expect(p99Ms).toBeLessThan(50)
  })

  test('each of many calls ends by itself', async () => {
    const sandbox = new Sandbox({ customTools: true, toolMs: 20_000, toolMemoryBytes: 2 ** 28 })
    onTestFinished(() => sandbox.close())
    const one = { name: 'tool', source_type: 'javascript', source_code: 'const tool = () => "there"' }
    const calls = Array.from({ length: 40 }, () => sandbox.runSource(one, {}, {}, new AbortController().signal))
    for (const { text } of await Promise.all(calls)) expect(text).toBe('there')
  })

  test('F91 a call that is cancelled ends at once, and one that waits for its turn, too', async () => {
    const sandbox = new Sandbox({ customTools: true, toolMs: 20_000, toolMemoryBytes: 2 ** 28 })
    onTestFinished(() => sandbox.close())
    const cancel = new AbortController()
    const loop = { name: 'tool', source_type: 'javascript', source_code: 'function tool() { for (;;); }' }
    const calls = Array.from({ length: 20 }, () => sandbox.runSource(loop, {}, {}, cancel.signal))
    setImmediate(() => cancel.abort(new Error('cancelled')))
    for (const { reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[])
      expect(reason).toEqual(new Error('cancelled'))
    const fine = { ...loop, source_code: 'const tool = () => "free again"' }
    expect(await sandbox.runSource(fine, {}, {}, new AbortController().signal)).toMatchObject({ text: 'free again' })
  })

  test('its end is the end of what runs in it', async () => {
    const sandbox = new Sandbox({ customTools: true, toolMs: 20_000, toolMemoryBytes: 2 ** 28 })
    const loop = { name: 'tool', source_type: 'javascript', source_code: 'function tool() { for (;;); }' }
    const ended = Promise.allSettled([sandbox.runSource(loop, {}, {}, new AbortController().signal)])
    await sandbox.close()
    expect(await ended).toMatchObject([{ reason: new ToolError('The server is shutting down') }])
  })
})

test('without the operator’s word nothing runs', async () => {
  const error = await failure('function tool() {}', { settings: { customTools: false } })
  expect(error.message).toContain('Custom tools are off on this server')
})

test('a source type that nothing runs is said, and a name that is code', async () => {
  const sandbox = new Sandbox({ customTools: true, toolMs: 1000, toolMemoryBytes: 2 ** 28 })
  onTestFinished(() => sandbox.close())
  const source = { name: 'tool', source_type: 'javascript', source_code: 'function tool() {}' }
  const never = new AbortController().signal
  await expect(sandbox.runSource({ ...source, source_type: 'json' }, {}, {}, never)).rejects.toThrow(
    'source_type json cannot be run',
  )
  await expect(sandbox.runSource({ ...source, name: 'tool }; for (;;); //' }, {}, {}, never)).rejects.toThrow('must be a name')
})

const python = { type: 'python' } as const
const contained = await (async () => {
  const sandbox = new Sandbox({ customTools: true, toolMs: 20_000, toolMemoryBytes: 2 ** 28 })
  const ready = { name: 'tool', source_type: 'python', source_code: 'def tool():\n  return 1' }
  try {
    await sandbox.runSource(ready, {}, {}, new AbortController().signal)
    return true
  } catch (error) {
    console.info(`Skipped Python in its sandbox: ${(error as Error).message}`)
    return false
  }
})()

describe.runIf(contained)('Python', () => {
  test('a function is called by keyword; text comes back as it is, all else as JSON, printed lines beside it', async () => {
    const source = 'import os\ndef tool(a, b=2):\n  print("a is", a)\n  return {"sum": a + b, "key": os.environ.get("KEY")}'
    expect(await run(source, { ...python, args: { a: 1 }, env: { KEY: 'v' } })).toEqual({
      text: '{"sum": 3, "key": "v"}',
      stdout: ['a is 1'],
      stderr: [],
    })
    expect(await run('async def tool():\n  return "later"', python)).toMatchObject({ text: 'later' })
    expect(await failure('def tool():\n  return 1 / 0', python)).toMatchObject({
      message: 'ZeroDivisionError: division by zero',
      stderr: expect.arrayContaining([expect.stringContaining('tool.py')]),
    })
    expect((await failure('def other():\n  pass', python)).message).toContain('defines no function tool')
  })

  const slow = { ...python, settings: { toolMs: 1500 } }
  const hostile: Record<string, [source: string, end: RegExp, options?: RunOptions]> = {
    'an infinite loop': ['def tool():\n  while True: pass', tooLong, slow],
    'a regular expression bomb': ['import re\ndef tool():\n  re.match("(a+)+$", "a" * 50 + "b")', tooLong, slow],
    'a memory bomb': ['def tool():\n  a = []\n  while True: a.append(bytearray(1 << 20))', /MemoryError/],
    'a stack overflow': ['def tool():\n  return tool()', /RecursionError/],
    'a fork bomb': [
      'import os\ndef tool():\n  while True: os.fork()',
      /BlockingIOError|ended without|took longer|took more/,
      slow,
    ],
    'a memory bomb of many processes': [
      'import os, time\ndef tool():\n  for i in range(5):\n    if os.fork() == 0:\n      b = bytearray(150 << 20)\n      time.sleep(100)\n  time.sleep(100)',
      /took more than the 256 MB/,
    ],
    'what it leaves running': ['import os\ndef tool():\n  os.system("sleep 1000 &")\n  while True: pass', tooLong, slow],
    'a file of the system': ['def tool():\n  return open("/etc/passwd").read()', /FileNotFoundError/],
    'a file of the server': [`def tool():\n  return open(${JSON.stringify(import.meta.filename)}).read()`, /FileNotFoundError/],
    'a write to the root': ['def tool():\n  open("/file", "w")', /Read-only/],
    'a write to its libraries': ['def tool():\n  open("/usr/lib/made-by-a-tool", "w")', /Read-only|denied/],
    'a disk bomb': [
      'def tool():\n  n = 0\n  while True:\n    open(f"/tmp/{n}", "w").write("x" * 1000000)\n    n += 1',
      /OSError/,
    ],
    'the network': ['import socket\ndef tool():\n  socket.create_connection(("1.1.1.1", 80))', /OSError/],
    'a limit that it lifts': ['import resource\ndef tool():\n  resource.setrlimit(resource.RLIMIT_AS, (-1, -1))', /ValueError/],
    'a crash': ['import ctypes\ndef tool():\n  ctypes.string_at(0)', /ended without an answer/],
    'an exit': ['import os\ndef tool():\n  os._exit(0)', /ended without an answer/],
    'a huge result': ['def tool():\n  return "x" * 2000000', /are allowed/],
    'an answer of its own': ['import os\ndef tool():\n  while True: os.write(3, b"x" * 100000)', /gave back more/],
    'a syntax error': ['def tool(:', /SyntaxError/],
  }

  test.each(Object.entries(hostile))('F91 %s is contained', async (_, [source, end, options]) => {
    expect((await failure(source, { ...python, ...options })).message).toMatch(end)
  })

  test('F91 it has no environment, no other process, and nothing but a few libraries', async () => {
    const source =
      'import os\ndef tool():\n  return [sorted(os.listdir("/")), os.listdir("/tmp"), sorted(os.environ), os.getpid() < 10, os.path.exists("/proc/1")]'
    const [root, tmp, environment, alone, proc] = JSON.parse((await run(source, python)).text)
    expect(root).not.toContain('home')
    expect(tmp).toEqual([])
    expect(environment).not.toContain('NODE_ENV')
    expect(alone).toBe(true)
    expect(proc).toBe(false)
  })

  test('F91 a port of this machine is not in its reach', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const source = `import socket\ndef tool():\n  socket.create_connection(("127.0.0.1", ${port}))`
    expect((await failure(source, python)).message).toMatch(/OSError|ConnectionRefused/)
  })

  test('F91 nothing of it is left', async () => {
    await failure('import os\ndef tool():\n  os.system("sleep 98765 &")\n  while True: pass', slow)
    const commands = readdirSync('/proc').flatMap((pid) => {
      try {
        return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : []
      } catch {
        return [] // ended meanwhile
      }
    })
    expect(commands.filter((command) => command.includes('98765'))).toEqual([])
  })
})
