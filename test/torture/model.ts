import type { Reply } from '../support/scripted-provider.ts'
import type { Dice } from './random.ts'

/** A request to the model, and the mark that its answer began with. */
export interface Asked {
  speaker: string
  mark: string
  /** All that the answer said, had it been read to its end. */
  text: string
  /** The marks in what the model was shown. */
  shown: Set<string>
}

const marks = /⟦m\d+⟧/g

/** The marks in a text. */
export const marksIn = (text: string): string[] => text.match(marks) ?? []

/** A model that puts a mark of its own into each answer, so that any answer is known wherever it turns up. */
export function markingModel(dice: Dice, onAsked: () => void) {
  const asked: Asked[] = []
  /** Whose last answer broke off: the next one does not, so that no step fails for good. */
  const broken = new Set<string>()
  return {
    asked,
    answer(body: any): Reply {
      const speaker: string = /I am (\w+)\./.exec(body.messages[0].content)?.[1] ?? 'nobody'
      const mark = `⟦m${asked.length}⟧`
      const calls = callsOf(body, mark, dice)
      const text = [mark, ...Array.from({ length: 2 + dice.below(40) }, (_, at) => words[at % words.length])].join(' ')
      asked.push({ speaker, mark, text, shown: new Set(marksIn(JSON.stringify(body.messages))) })
      onAsked()
      if (broken.delete(speaker) || !dice.chance(0.04)) return { reasoning: 'Let me think …', text, toolCalls: calls }
      broken.add(speaker)
      return dice.chance(0.3) ? { status: 503 } : { reasoning: 'Let me …', text, toolCalls: calls, cutAfter: dice.below(30) }
    },
  }
}

const words = ['größer', 'als\n\n', '🐙', '"x"', 'data:', 'event: error']

function callsOf({ tools = [], tool_choice: choice, messages }: any, mark: string, dice: Dice) {
  const id = `call_${mark.slice(1, -1)}`
  const offered = new Map<string, any>(tools.map((tool: any) => [tool.function.name, tool.function.parameters]))
  const names = [...offered.keys()]
  const call = (name: string, args: object) => [{ id, name, arguments: JSON.stringify(args) }]
  const forced: string | undefined = choice?.function?.name
  if (forced === 'choose_next_participant') {
    const options: string[] = offered.get(forced).properties.name.enum
    return call(forced, { name: dice.one(options.filter((name) => name !== 'DONE!')) })
  }
  if (forced !== undefined) return call(forced, { message: `${mark} Report.` })
  // After a result come words, so that every turn has an end.
  if (messages.at(-1).role === 'tool') return []
  const handovers = names.filter((name) => name.startsWith('transfer_to_'))
  if (handovers.length > 0 && dice.chance(0.5)) return call(dice.one(handovers), {})
  if (offered.has('look') && dice.chance(0.3)) return call('look', { note: mark })
  if (offered.has('book') && dice.chance(0.4)) return call('book', { note: mark })
  if (offered.has('memory_insert') && dice.chance(0.2)) return call('memory_insert', { label: 'human', new_string: `${mark}.` })
  return []
}
