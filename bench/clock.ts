/** Microseconds on the machine's own clock: the same in all processes, and it never jumps. */
export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1000
}
