import { existsSync, lstatSync, readlinkSync } from 'node:fs'
import { type Job, type Limits, runChild, runJob } from './sandbox-process.ts'
import { ToolError, type ToolOutput } from './tool.ts'

/*
 * Python tools: the system's python3 in a bubblewrap for each call. In there are an interpreter and its libraries, read-only, an
 * empty /tmp, and nothing else: no network, no other process, no environment, none of the server's files. Python's own limits
 * hold each process, sandbox-process.ts holds them together.
 */

const TMP_BYTES = 16 * 1024 * 1024

/** @throws {ToolError} for what went wrong in there, and where Python cannot be contained; the signal's reason */
export async function runPython(job: Job, limits: Limits, signal: AbortSignal): Promise<ToolOutput> {
  const bubblewrap = await probe()
  const input = JSON.stringify({
    ...job,
    seconds: Math.ceil(limits.ms / 1000),
    memoryBytes: limits.memoryBytes,
    fileBytes: TMP_BYTES,
    outputChars: limits.outputChars / 2,
  })
  return await runJob({ ...bubblewrap(['-I', '-c', harness]), input }, limits, signal)
}

type Bubblewrap = (pythonArgs: string[]) => {
  command: string
  args: string[]
  cwd: string
  env: Record<string, string>
  uid: number | undefined
}

let working: Bubblewrap | undefined

/** Tried once; where it fails it is tried again at the next call, as the operator may have mended it. */
async function probe(): Promise<Bubblewrap> {
  if (working) return working
  const [command, python] = [found('bwrap'), found('python3')]
  if (!command) throw new ToolError('Python tools need bubblewrap (bwrap) on this server, and it is not installed')
  if (!python)
    throw new ToolError('Python tools need python3 in /usr/bin or /usr/local/bin on this server, and it is not there')
  const bubblewrap: Bubblewrap = (pythonArgs) => ({
    command,
    args: [...walls(), python, ...pythonArgs],
    cwd: '/',
    env: {},
    // Root may start as many processes as it likes; a user of its own may not. Each call has another, so they do not add up.
    uid: process.getuid?.() === 0 ? 61_000 + (turn++ % 1000) : undefined,
  })
  const limits = { ms: 10_000, memoryBytes: 512 * 1024 * 1024, outputChars: 1000 }
  const tried = await runChild(
    { ...bubblewrap(['-I', '-c', 'print("ready")']), input: '' },
    limits,
    new AbortController().signal,
  )
  if (tried.stdout !== 'ready\n') {
    throw new ToolError(
      `Python tools cannot be contained on this server: ${tried.stderr.trim().split('\n').at(-1) || tried.end}`,
    )
  }
  return (working = bubblewrap)
}

let turn = 0

const found = (name: string) => ['/usr/bin', '/usr/local/bin'].map((folder) => `${folder}/${name}`).find(existsSync)

/** Not the whole of /usr: in some containers the server itself lives there. */
const libraries = [
  '/usr/bin',
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/usr/local/bin',
  '/usr/local/lib',
  '/usr/share/zoneinfo',
]
const devices = ['/dev/null', '/dev/zero', '/dev/urandom']

function walls(): string[] {
  return [
    ['--unshare-all', '--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--hostname', 'sandbox'],
    ...libraries.map((path) => ['--ro-bind-try', path, path]),
    ...['/bin', '/lib', '/lib32', '/lib64'].map(asThere),
    ['--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache'],
    ...devices.map((path) => ['--dev-bind', path, path]),
    ['--size', `${TMP_BYTES}`, '--tmpfs', '/tmp', '--chdir', '/tmp'],
    // Else its root would be memory to write to, without a limit.
    ['--remount-ro', '/'],
    ['--setenv', 'LANG', 'C.UTF-8', '--setenv', 'HOME', '/tmp', '--setenv', 'PATH', '/usr/local/bin:/usr/bin:/bin'],
    // Each thread would set a piece of its address space aside.
    ['--setenv', 'MALLOC_ARENA_MAX', '1'],
  ].flat()
}

/** A link, as on most systems today, or a folder. */
function asThere(path: string): string[] {
  if (!existsSync(path)) return []
  return lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path]
}

const harness = `
import sys, os, io, json, resource
job = json.load(sys.stdin)
answers = os.fdopen(os.dup(1), 'w')
os.dup2(os.open('/dev/null', os.O_RDWR), 1)
os.dup2(1, 0)
os.dup2(1, 2)
for what, most in (
    (resource.RLIMIT_AS, job['memoryBytes']), (resource.RLIMIT_CPU, job['seconds'] + 1), (resource.RLIMIT_NPROC, 32),
    (resource.RLIMIT_FSIZE, job['fileBytes']), (resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(what, (most, most))
os.environ.update(job['env'])
limit = job['outputChars']

class Lines(io.TextIOBase):
    def __init__(self):
        self.parts, self.left = [], limit
    def writable(self):
        return True
    def write(self, text):
        if self.left > 0:
            self.parts.append(text[:self.left])
            self.left -= len(text)
        return len(text)
    def lines(self):
        return ''.join(self.parts).splitlines()

out, err = sys.stdout, sys.stderr = Lines(), Lines()
try:
    space = {'__name__': 'tool'}
    exec(compile(job['source'], 'tool.py', 'exec'), space)
    if not callable(space.get(job['name'])):
        raise NameError('The source defines no function ' + job['name'])
    result = space[job['name']](**job['args'])
    if hasattr(result, '__await__'):
        import asyncio
        async def wait():
            return await result
        result = asyncio.run(wait())
    if not isinstance(result, str):
        try:
            result = json.dumps(result, ensure_ascii=False)
        except (TypeError, ValueError):
            result = str(result)
    if len(result) > limit:
        raise ValueError(f'the result has {len(result)} characters, {limit} are allowed')
    ok, text = True, result
except BaseException as error:
    ok, text = False, f'{type(error).__name__}: {error}'[:2000]
    import traceback
    traceback.print_exc(limit=20)
answers.write(json.dumps({'ok': ok, 'text': str(text), 'stdout': out.lines(), 'stderr': err.lines()}))
answers.flush()
os._exit(0)
`
