import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { tempFolder } from './server.ts'

/*
 * Disks that fail. A machine may not allow it: where that is so these are undefined, and the test says that it was skipped.
 */

export interface SmallDisk {
  folder: string
  /** Leaves no byte. */
  fill(): void
  /** Takes away what `fill` has put there. */
  empty(): void
  remount(options: string): void
}

/** A disk of its own in memory. Gone after the test. */
export function smallDisk(megabytes: number): SmallDisk | undefined {
  const folder = tempFolder()
  if (!runs('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder)) return undefined
  onTestFinished(() => void runs('umount', '-l', folder))
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill() {
      for (let bytes = statfsSync(folder).bavail * statfsSync(folder).bsize; bytes >= 1; bytes = Math.floor(bytes / 2)) {
        try {
          for (;;) appendFileSync(ballast, Buffer.alloc(bytes))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
    },
    empty: () => rmSync(ballast),
    remount(options) {
      if (!runs('mount', '-o', `remount,${options}`, folder)) throw new Error(`cannot remount ${folder} with ${options}`)
    },
  }
}

export const canTrace = runs('strace', '-o', '/dev/null', 'true')

export interface Fault {
  /** The process goes on without it. */
  stop(): Promise<void>
}

/** From now on these system calls of a process fail so, e.g. `fdatasync,fsync:error=EIO`; `path`: on this file only. */
export async function injectFault(pid: number, fault: string, path?: string): Promise<Fault> {
  const calls = fault.split(':')[0]!
  const where = path === undefined ? [] : ['-P', path]
  const options = ['-f', '-p', String(pid), '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${fault}`, ...where]
  const strace = spawn('strace', options, { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = new Promise<void>((resolve) => strace.once('close', () => resolve()))
  const stop = async () => {
    strace.kill('SIGTERM')
    await exited
  }
  onTestFinished(stop)
  await new Promise<void>((resolve, reject) => {
    let said = ''
    strace.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (/attached/.test(said)) resolve()
    })
    void exited.then(() => reject(new Error(`strace has ended: ${said}`)))
  })
  return { stop }
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
