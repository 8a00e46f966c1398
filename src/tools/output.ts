/** The first `limit` characters, and a note when there were more. Half a character becomes U+FFFD: it could not be stored. */
export const cutText = (text: string, limit: number): string =>
  text.length <= limit
    ? text.toWellFormed()
    : `${text.slice(0, limit).toWellFormed()}\n[Cut: this is the beginning, ${limit} of ${text.length} characters]`

/** The first lines that have `limit` characters together, and a note when there were more. */
export function cutLines(lines: string[], limit: number): string[] {
  let left = limit
  const kept: string[] = []
  for (const line of lines) {
    if (line.length > left)
      return [...kept, line.slice(0, left).toWellFormed(), `[Cut: this is the beginning of ${lines.length} lines]`]
    kept.push(line.toWellFormed())
    // A line costs its end, too: a million empty ones are much to store.
    left = Math.max(0, left - line.length - 1)
  }
  return kept
}
