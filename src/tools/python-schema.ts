/** What a model is told of a function, as far as its source says it. */
export type FunctionSchema = {
  name: string
  description: string
  parameters: { type: 'object'; properties: Record<string, Record<string, unknown>>; required: string[] }
}

/** The source does not say enough; the text says what is missing. */
export class NoSchema extends Error {}

/** The last function at the top level, which is the tool. */
export function pythonFunctionName(source: string): string | undefined {
  return lastFunction(source)?.name
}

/**
 * The schema of the last function at the top level, from its annotations and its docstring with an `Args:` section. It reads
 * plain types (`str`, `int`, `float`, `bool`, `list`, `dict`, `Any`, `Optional`, `Literal` and what is made of them); for more a
 * tool brings its json_schema.
 *
 * @throws {NoSchema}
 */
export function pythonSchema(source: string): FunctionSchema {
  const found = lastFunction(source)
  if (!found) throw new NoSchema('The source has no function at its top level')
  const close = closing(source, found.open)
  if (close === undefined) throw new NoSchema(`The parameters of ${found.name} have no end`)
  const { summary, args } = docstring(source, close + 1)
  const properties: Record<string, Record<string, unknown>> = {}
  const required: string[] = []
  for (const parameter of split(withoutComments(source.slice(found.open + 1, close)), ',')) {
    const [declared = '', ...rest] = split(parameter, '=')
    const [name = '', ...annotation] = split(declared, ':').map((part) => part.trim())
    // Letta hands its own agent_state to a tool; no model does.
    if (name === '' || name === '/' || name === '*' || name === 'agent_state') continue
    if (name.startsWith('*')) throw new NoSchema(`A tool cannot take ${name}: name its parameters, or send json_schema`)
    if (annotation.length === 0) throw new NoSchema(`The parameter ${name} has no type: annotate it, or send json_schema`)
    const described = args.get(name)
    properties[name] = { ...schemaOf(annotation.join(':'), name), ...(described && { description: described }) }
    if (rest.length === 0) required.push(name)
  }
  return { name: found.name, description: summary, parameters: { type: 'object', properties, required } }
}

const head = /^(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w*)[ \t]*\(/gm

function lastFunction(source: string): { name: string; open: number } | undefined {
  const match = [...source.matchAll(head)].at(-1)
  return match && { name: match[1]!, open: match.index + match[0].length - 1 }
}

const plain: Record<string, Record<string, unknown>> = {
  str: { type: 'string' },
  int: { type: 'integer' },
  float: { type: 'number' },
  bool: { type: 'boolean' },
  list: { type: 'array', items: {} },
  dict: { type: 'object' },
  Any: {},
}

function schemaOf(annotation: string, name: string): Record<string, unknown> {
  const type = annotation
    .trim()
    .replace(/^(['"])(.*)\1$/, '$2')
    .replace(/^(typing|t)\./, '')
  const known = plain[type] ?? plain[type.toLowerCase()]
  if (known) return { ...known }
  const kinds = split(type, '|').map((kind) => kind.trim())
  const real = kinds.filter((kind) => kind !== 'None')
  if (kinds.length > 1 && real.length === 1) return schemaOf(real[0]!, name)
  const [, outer, inner] = /^(\w+)\s*\[(.*)\]$/s.exec(type) ?? []
  if (inner !== undefined) {
    if (outer === 'Optional') return schemaOf(inner, name)
    if (outer === 'List' || outer === 'list') return { type: 'array', items: schemaOf(inner, name) }
    if (outer === 'Dict' || outer === 'dict') return { type: 'object' }
    const words = split(inner, ',').map((word) => /^\s*(['"])(.*)\1\s*$/.exec(word)?.[2])
    if (outer === 'Literal' && words.every((word) => word !== undefined)) return { type: 'string', enum: words }
  }
  throw new NoSchema(`The type ${type} of ${name} is more than can be read from source: send json_schema`)
}

/** Where the bracket that opens at `open` closes. */
function closing(text: string, open: number): number | undefined {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    const sign = text[at]!
    if (sign === '#') at = lineEnd(text, at)
    else if (sign === '"' || sign === "'") at = stringEnd(text, at)
    else if ('([{'.includes(sign)) depth++
    else if (')]}'.includes(sign) && --depth === 0) return at
  }
  return undefined
}

/** Cut at a separator that stands in no bracket and no string. */
function split(text: string, separator: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!
    if (sign === '"' || sign === "'") at = stringEnd(text, at)
    else if ('([{'.includes(sign)) depth++
    else if (')]}'.includes(sign)) depth--
    else if (sign === separator && depth === 0) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function withoutComments(text: string): string {
  let kept = ''
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!
    if (sign === '"' || sign === "'") at = stringEnd(text, at)
    else if (sign === '#') {
      kept += text.slice(start, at)
      start = at = lineEnd(text, at)
    }
  }
  return kept + text.slice(start)
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}

/** The last character of the string that begins at `at`; the text's end where it has none. */
function stringEnd(text: string, at: number): number {
  const quote = text.startsWith(text[at]!.repeat(3), at) ? text[at]!.repeat(3) : text[at]!
  for (let end = at + quote.length; end < text.length; end++) {
    if (text[end] === '\\') end++
    else if (text.startsWith(quote, end)) return end + quote.length - 1
  }
  return text.length
}

const section = /^(Args|Arguments|Parameters|Returns?|Raises|Yields?|Examples?|Notes?):\s*$/

/** The docstring of the function whose parameters end before `from`: what comes before its sections, and its `Args:`. */
function docstring(source: string, from: number): { summary: string; args: Map<string, string> } {
  const args = new Map<string, string>()
  const [colon] = /^[^\n:]*:/.exec(source.slice(from, from + 1000)) ?? []
  if (colon === undefined) return { summary: '', args }
  const rest = source.slice(from + colon.length)
  const before = /^(?:\s|#[^\n]*\n)*[rRuU]?/.exec(rest)![0].length
  if (rest[before] !== '"' && rest[before] !== "'") return { summary: '', args }
  const width = rest.startsWith(rest[before].repeat(3), before) ? 3 : 1
  const lines = rest.slice(before + width, stringEnd(rest, before) + 1 - width).split('\n')
  const summary: string[] = []
  let current: string | undefined
  let item: { name: string; indent: number } | undefined
  for (const raw of lines) {
    const line = raw.trim()
    const title = section.exec(line)?.[1]
    if (title) current = title
    else if (current === undefined) summary.push(line)
    else if (/^(Args|Arguments|Parameters)$/.test(current) && line !== '') {
      const indent = raw.length - raw.trimStart().length
      const [, name, text] = /^(\w+)(?:\s*\([^)]*\))?\s*:\s*(.*)$/.exec(line) ?? []
      if (name !== undefined && (!item || indent <= item.indent)) {
        item = { name, indent }
        args.set(name, text!)
      } else if (item) args.set(item.name, `${args.get(item.name)} ${line}`.trim())
    }
  }
  return { summary: summary.join('\n').trim(), args }
}
