/** In characters of JSON text. */
const LIMIT_CHARS = 4_000_000

/**
 * Parses JSON texts of which few are read again and again. What one text means is parsed once and shared by all who read it, so
 * it is frozen.
 */
export function parsedOnce(): (text: string) => unknown {
  const known = new Map<string, unknown>()
  let chars = 0
  return (text) => {
    let value = known.get(text)
    if (value === undefined) {
      value = frozen(JSON.parse(text))
      chars += text.length
      if (chars > LIMIT_CHARS) {
        known.clear()
        chars = text.length
      }
      known.set(text, value)
    }
    return value
  }
}

/** Without recursion: a text may be nested deeper than the stack. */
function frozen(value: unknown): unknown {
  const open = [value]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (typeof one !== 'object' || one === null) continue
    for (const inner of Object.values(Object.freeze(one))) open.push(inner)
  }
  return value
}
