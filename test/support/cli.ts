import { type ChildProcess, spawn } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { type Exit, publishedEntry } from './process.ts'
import { tempFolder } from './server.ts'

export interface Typed {
  child: ChildProcess
  readonly stdout: string
  /** Resolves with all that was said when `text` is in it. @throws when it exits first */
  until(text: string | RegExp): Promise<string>
  /** One more line on its standard input. */
  type(line: string): void
  exited: Promise<Exit>
}

/** `roundtable …` as a process, with this environment and no other. Killed after the test. */
export function type(args: string[], env: Record<string, string> = {}, entry = publishedEntry): Typed {
  const child = spawn(process.execPath, [entry, ...args], { cwd: tempFolder(), env, stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const look of waiting) look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => {}) // it may exit before it has read all
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return {
    child,
    get stdout() {
      return stdout
    },
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (typeof text === 'string' ? !stdout.includes(text) : !text.test(stdout)) return
          waiting.delete(look)
          resolve(stdout)
        }
        waiting.add(look)
        exited.then((exit) => reject(new Error(`It exited before it said ${text}: ${JSON.stringify(exit)}`)), reject)
        look()
      }),
    type: (line) => void child.stdin.write(`${line}\n`),
    exited,
  }
}

/** The same, to its end, with nothing on its standard input. */
export async function typed(args: string[], env: Record<string, string> = {}, entry?: string): Promise<Exit> {
  const { child, exited } = type(args, env, entry)
  child.stdin!.end()
  return await exited
}
