import type { Scene } from './demo-voice.ts'

interface Schema {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  default?: unknown
  minimum?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
}

/** Something that fits a JSON Schema and this conversation: a name is the next in line after the last speaker, a text is about the topic. */
export function fillSchema(schema: Schema, scene: Scene): unknown {
  if ('const' in schema) return schema.const
  if (schema.enum) return nextOf(schema.enum, scene)
  if (schema.default !== undefined) return schema.default
  const branch = schema.anyOf?.[0] ?? schema.oneOf?.[0]
  if (branch) return fillSchema(branch, scene)
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'string':
      return scene.lastUserText.slice(0, 200) || scene.topic
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'array':
      return schema.items ? [fillSchema(schema.items, scene)] : []
    case 'null':
      return null
  }
  const properties = schema.properties ?? {}
  const names = schema.required ?? Object.keys(properties)
  return Object.fromEntries(names.map((name) => [name, fillSchema(properties[name] ?? { type: 'string' }, scene)]))
}

function nextOf(choices: unknown[], { lastSpeaker, spoken }: Scene): unknown {
  const at = choices.findIndex((choice) => choice === lastSpeaker)
  return choices[(at >= 0 ? at + 1 : spoken) % choices.length]
}
