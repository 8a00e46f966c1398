import { ToolError } from './tool.ts'

/** Lines that must stand there, and what comes in their place. */
export interface Hunk {
  old: string[]
  fresh: string[]
}

/** One block's part of a patch for several. */
export type Section =
  | { kind: 'add'; label: string; description: string | undefined; value: string }
  | { kind: 'delete'; label: string }
  | { kind: 'update'; label: string; moveTo: string | undefined; hunks: Hunk[] }

/** @returns null when it is a patch of one block, without section heads @throws {ToolError} */
export function readSections(patch: string): Section[] | null {
  const lines = linesOf(patch)
  const heads = lines.flatMap((line, at) => (headOf(line) ? [at] : []))
  if (heads.length === 0) return null
  const stray = lines.slice(0, heads[0]).find((line) => line.trim() !== '')
  if (stray !== undefined) throw new ToolError(`Before the first section of the patch stands: ${stray}`)
  return heads.map((at, i) => readSection(headOf(lines[at]!)!, lines.slice(at + 1, heads[i + 1])))
}

/** @throws {ToolError} for what is no unified diff */
export function readHunks(patch: string): Hunk[] {
  const hunks: Hunk[] = []
  const lines = withoutEnd(linesOf(patch))
  const files = lines.findIndex((line, i) => line.startsWith('--- ') && lines[i + 1]?.startsWith('+++ '))
  const start = files >= 0 && !lines.slice(0, files).some((line) => line.startsWith('@@')) ? files + 2 : 0
  for (const [i, line] of lines.entries()) {
    // An empty line around a hunk only sets it apart.
    const apart = line === '' && (hunks.length === 0 || lines[i + 1]?.startsWith('@@'))
    if (i < start || apart || line.startsWith('\\')) continue
    if (line.startsWith('@@')) {
      hunks.push({ old: [], fresh: [] })
      continue
    }
    if (hunks.length === 0) hunks.push({ old: [], fresh: [] })
    const { old, fresh } = hunks.at(-1)!
    const [mark, text] = [line[0] ?? ' ', line.slice(1)]
    if (!' +-'.includes(mark))
      throw new ToolError(`Each line of a patch begins with a space, + or -; this one does not: ${line}`)
    if (mark !== '+') old.push(text)
    if (mark !== '-') fresh.push(text)
  }
  const full = hunks.filter(({ old, fresh }) => old.length + fresh.length > 0)
  if (full.length === 0) throw new ToolError('The patch has no lines')
  return full
}

/** @throws {ToolError} unless the old lines of each hunk stand exactly once in the text, as the hunks before have left it */
export function applyHunks(text: string, hunks: Hunk[]): string {
  let lines = text === '' ? [] : text.split('\n')
  for (const { old, fresh } of hunks) {
    if (old.length === 0 && lines.length > 0) throw new ToolError(`Say where it goes: give lines around\n${fresh.join('\n')}`)
    const places = old.length === 0 ? [0] : placesOf(old, lines)
    if (places.length === 0) throw new ToolError(`These lines of the patch are not there, exactly so:\n${old.join('\n')}`)
    if (places.length > 1) {
      const where = places.map((at) => at + 1).join(', ')
      throw new ToolError(
        `These lines of the patch stand there ${places.length} times (${where}); give more:\n${old.join('\n')}`,
      )
    }
    lines = lines.toSpliced(places[0]!, old.length, ...fresh)
  }
  return lines.join('\n')
}

const placesOf = (old: string[], lines: string[]) =>
  lines.flatMap((_, at) => (old.every((line, i) => line === lines[at + i]) ? [at] : []))

const linesOf = (patch: string) =>
  patch
    .replaceAll('\r\n', '\n')
    .split('\n')
    .filter((line) => !/^\*\*\* (Begin|End) Patch\s*$/.test(line))

/** The empty lines at the end are the patch's, not the text's. */
const withoutEnd = (lines: string[]) => lines.slice(0, lines.findLastIndex((line) => line !== '') + 1)

function headOf(line: string) {
  const [, verb, label] = /^\*\*\* (Add|Delete|Update) Block: *(.*?)\s*$/.exec(line) ?? []
  return verb === undefined ? undefined : { verb, label: label! }
}

/** What a line says after these words, if it begins with them. */
const restAfter = (words: string, line = ''): string | undefined =>
  line.startsWith(words) ? line.slice(words.length).trim() : undefined

function readSection({ verb, label }: { verb: string; label: string }, body: string[]): Section {
  const lines = withoutEnd(body)
  if (verb === 'Delete') {
    if (lines.length > 0) throw new ToolError(`Nothing may follow "*** Delete Block: ${label}" but another section`)
    return { kind: 'delete', label }
  }
  if (verb === 'Add') {
    const description = restAfter('Description:', lines[0])
    const content = description === undefined ? lines : lines.slice(1)
    const stray = content.find((line) => line !== '' && !line.startsWith('+'))
    if (stray !== undefined) throw new ToolError(`Each line of a new block begins with +; this one does not: ${stray}`)
    return { kind: 'add', label, description, value: content.map((line) => line.slice(1)).join('\n') }
  }
  const moveTo = restAfter('*** Move to:', lines[0])
  const changes = moveTo === undefined ? lines : lines.slice(1)
  const hunks = moveTo !== undefined && changes.length === 0 ? [] : readHunks(changes.join('\n'))
  return { kind: 'update', label, moveTo, hunks }
}
