// One run of one JavaScript tool: this file is a process of its own, started and watched over by sandbox-js.ts. Plain
// JavaScript, so that it starts fast and has the same name in src/ and in dist/. The tool's source runs in QuickJS, inside
// WebAssembly: of Node it can reach nothing, of this file only the harness below. When it hangs, grows or crashes this process
// does, and nobody else.
//
// stdin: a job. stdout: `{ok, text, stdout}`. Nothing is trusted that comes out of here.
import variant from '@jitl/quickjs-singlefile-mjs-release-sync'
import { stripTypeScriptTypes } from 'node:module'
import { readFileSync, writeSync } from 'node:fs'
import { newQuickJSWASMModuleFromVariant, newVariant } from 'quickjs-emscripten-core'

/** @type {{source: string, typescript: boolean, name: string, args: string, env: Record<string, string>, ms: number, vmBytes: number, outputChars: number}} */
const job = JSON.parse(readFileSync(0, 'utf8'))
const stdout = []
const tooLong = `It took longer than it may (${Math.round(job.ms)} ms)`
const tooDeep = 'RangeError: too much recursion'
answer(
  await run().catch((error) => ({ ok: false, text: error instanceof RangeError ? tooDeep : `The sandbox failed: ${error}` })),
)

async function run() {
  let source = job.source
  try {
    if (job.typescript) source = stripTypeScriptTypes(source)
  } catch (error) {
    return { ok: false, text: `The TypeScript cannot be read: ${String(error.message).split('\n')[0]}` }
  }
  // The library's own limit does not hold; a memory that cannot grow does.
  const memory = new WebAssembly.Memory({ initial: 256, maximum: Math.max(256, Math.floor(job.vmBytes / 65_536)) })
  const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory: memory }))
  const runtime = quickjs.newRuntime()
  // Counted from this process's start, so it ends itself, with what it printed, a little before it would be killed.
  const late = () => performance.now() > job.ms
  runtime.setInterruptHandler(late)
  const vm = runtime.newContext()
  const failed = (handle) => {
    const described = late() ? undefined : vm.callFunction(describe, vm.undefined, handle)
    if (late()) return { ok: false, text: tooLong }
    if (!described || described.error) return { ok: false, text: 'It failed, and so did asking why' }
    const text = vm.getString(described.value)
    return {
      ok: false,
      text: /exported variable '.*' does not exist/.test(text) ? `The source defines no function ${job.name}` : text,
    }
  }
  const print = (line) => {
    stdout.push(vm.getString(line))
  }
  vm.setProp(vm.global, '$print', vm.newFunction('print', print))
  vm.setProp(vm.global, '$limit', vm.newNumber(job.outputChars))
  vm.setProp(vm.global, '$env', vm.newString(JSON.stringify(job.env)))
  const harness = vm.unwrapResult(vm.evalCode(`(${prepare.toString()})()`, 'harness.js'))
  const describe = vm.getProp(harness, 'describe')
  // Nothing is imported: there is no module loader. The name is an identifier (sandbox.ts), so this line is one, too.
  const loaded = vm.evalCode(`${source}\n;export { ${job.name} as $tool }`, 'tool.js', { type: 'module' })
  if (loaded.error) return failed(loaded.error)
  let namespace = loaded.value
  if (vm.typeof(namespace) === 'object' && vm.getPromiseState(namespace).type === 'pending')
    settle(runtime, vm, namespace, late)
  const state = vm.getPromiseState(namespace)
  if (state.type === 'pending') return { ok: false, text: 'Its top level waits for something that never comes' }
  if (state.type === 'rejected') return failed(state.error)
  if (!state.notAPromise) namespace = state.value
  const started = vm.callFunction(
    vm.getProp(harness, 'call'),
    vm.undefined,
    vm.getProp(namespace, '$tool'),
    vm.newString(job.args),
  )
  if (started.error) return failed(started.error)
  const result = settle(runtime, vm, started.value, late)
  if (result.type === 'fulfilled') return { ok: true, text: vm.getString(result.value) }
  if (result.type === 'rejected') return failed(result.error)
  return { ok: false, text: late() ? tooLong : 'It waits for something that never comes' }
}

/** Runs what the promise waits for. */
function settle(runtime, vm, promise, late) {
  for (;;) {
    const state = vm.getPromiseState(promise)
    if (state.type !== 'pending' || late()) return state
    const ran = runtime.executePendingJobs(1000)
    if (ran.error) return { type: 'rejected', error: ran.error }
    if (ran.value === 0) return state
  }
}

/**
 * Runs inside QuickJS, before the tool's source, with everything it needs taken beforehand: the source may change the globals
 * as it likes.
 */
function prepare() {
  'use strict'
  const { $print: print, $limit: limit, $env: env } = globalThis
  delete globalThis.$print
  delete globalThis.$limit
  delete globalThis.$env
  const { parse, stringify } = JSON
  const { apply } = Reflect
  const { slice } = String.prototype
  const { join, map } = Array.prototype
  const text = String
  const TooLong = RangeError
  const show = (value) => {
    if (typeof value === 'string') return value
    if (value instanceof Error) return describe(value)
    try {
      return stringify(value) ?? text(value)
    } catch {
      return text(value)
    }
  }
  let left = limit
  const log = (...values) => {
    if (left <= 0) return
    const line = apply(slice, apply(join, apply(map, values, [show]), [' ']), [0, left])
    left -= line.length + 1
    print(line)
  }
  const describe = (error) => {
    try {
      // That is what QuickJS throws when it has no memory left for an error.
      if (error === null) return 'null (out of memory?)'
      const line =
        typeof error === 'object' && error !== null && 'message' in error ? `${error.name}: ${error.message}` : text(error)
      return apply(slice, line, [0, 2000])
    } catch {
      return 'it threw something that cannot be shown'
    }
  }
  globalThis.console = { log, info: log, warn: log, error: log, debug: log }
  if (env !== '{}') globalThis.process = { env: parse(env) }
  return {
    describe,
    call: async (tool, args) => {
      const value = await tool(parse(args))
      const result = typeof value === 'string' ? value : (stringify(value) ?? 'null')
      if (result.length > limit) throw new TooLong(`the result has ${result.length} characters, ${limit} are allowed`)
      return result
    },
  }
}

function answer(outcome) {
  const bytes = Buffer.from(JSON.stringify({ ...outcome, stdout }))
  for (let sent = 0; sent < bytes.length;) sent += writeSync(1, bytes, sent)
  // Not by process.exit(): one in fifteen of them waits forever for V8's WebAssembly compiler (Node 24.21).
  process.kill(process.pid, 'SIGKILL')
}
