import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { compose, readScene, type Scene } from './demo-voice.ts'
import { fillSchema } from './demo-tools.ts'
import type { Delta, ModelCall, Provider, ToolSpec } from './provider.ts'

/**
 * `demo/chat`: a model that needs no key and no network, and says that it is none. The same prompt gets the same answer.
 * It calls a tool when told to: `call roll_dice {"sides": 6}` or `use the tool roll_dice`.
 */
export function demo({ tokenMs }: { tokenMs: number }): Provider {
  return {
    name: 'demo',
    type: 'openai',
    endpoint: 'demo://built-in',
    list: async () => ['chat'],
    contextWindow: () => 128_000,

    async stream(call, hear) {
      const { signal } = call
      for (const delta of answer(call)) {
        signal.throwIfAborted()
        await (tokenMs > 0 ? sleep(tokenMs, undefined, { signal }) : turn(undefined, { signal })).catch(() =>
          signal.throwIfAborted(),
        )
        await hear([delta])
      }
    },
  }
}

function* answer(call: ModelCall): Generator<Delta> {
  const scene = readScene(call.system, call.messages)
  const wanted = toolCall(call, scene)
  const { reasoning, text } = compose(scene, wanted?.name)
  for (const word of words(reasoning)) yield { type: 'reasoning', text: word }
  if (wanted) {
    const id = `call_${scene.seed.toString(16).padStart(8, '0')}`
    yield { type: 'tool_call', id, name: wanted.name, arguments: '' }
    for (const fragment of wanted.arguments.match(/[\s\S]{1,12}/g) ?? [])
      yield { type: 'tool_call', id, name: wanted.name, arguments: fragment }
  } else for (const word of words(text)) yield { type: 'text', text: word }

  const promptTokens = countWords(call.system) + countWords(JSON.stringify(call.messages))
  const reasoningTokens = countWords(reasoning)
  const completionTokens = reasoningTokens + countWords(wanted ? wanted.arguments : text)
  const totalTokens = promptTokens + completionTokens
  yield {
    type: 'finish',
    reason: wanted ? 'tool_calls' : 'stop',
    usage: { promptTokens, completionTokens, totalTokens, cachedInputTokens: null, cacheWriteTokens: null, reasoningTokens },
  }
}

/** The call that it must make, or that the user asks for by name; none when it is to speak. */
function toolCall({ tools, toolChoice, messages }: ModelCall, scene: Scene): { name: string; arguments: string } | undefined {
  const filled = (tool: ToolSpec) => ({ name: tool.name, arguments: JSON.stringify(fillSchema(tool.parameters, scene)) })
  if (typeof toolChoice === 'object') {
    const forced = tools.find(({ name }) => name === toolChoice.name)
    if (forced) return filled(forced)
  }
  if (messages.at(-1)?.role === 'user') {
    for (const [, name, rest] of scene.lastUserText.matchAll(/\b(?:call|use the tool)\s+[`"']?([\w-]+)[`"']?\s*(\{[^]*)?/gi)) {
      const tool = tools.find((offered) => offered.name === name)
      if (tool) return { name: tool.name, arguments: objectAtStart(rest) ?? filled(tool).arguments }
    }
  }
  return toolChoice === 'required' && tools[0] ? filled(tools[0]) : undefined
}

/** The JSON object that a text begins with. */
function objectAtStart(text = ''): string | undefined {
  for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}', end + 1)) {
    try {
      JSON.parse(text.slice(0, end + 1))
      return text.slice(0, end + 1)
    } catch {}
  }
  return undefined
}

const words = (text: string): string[] => text.match(/\S+\s*/g) ?? []
const countWords = (text: string): number => text.match(/\S+/g)?.length ?? 0
