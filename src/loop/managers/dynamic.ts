import { parseArguments } from '../../tools/arguments.ts'
import type { LentTool, Member } from '../scene.ts'
import type { Said } from '../turn.ts'
import { type Chat, type Ending, endsChat } from './manager.ts'

const CHOOSE = 'choose_next_participant'

/**
 * The manager agent says who speaks next, `maxTurns` times, by default once for each member. The same member does not speak
 * twice in a row. The termination token, said by a member or chosen by the manager, ends it (design §5 row 13).
 */
export async function dynamic(chat: Chat): Promise<Ending> {
  const { members, maxTurns, terminationToken: token } = chat
  let previous: Member | undefined
  for (let turn = 0; turn < (maxTurns ?? members.length); turn++) {
    const candidates = members.length > 1 ? members.filter(({ id }) => id !== previous?.id) : members
    const chosen = await choose(chat, candidates, previous)
    if ('stop' in chosen) return chosen
    const said = await chat.speak(chosen)
    if (endsChat(said)) return { stop: said.stop, endedBy: null }
    if (token && said.said.some((text) => text.includes(token))) return { stop: 'end_turn', endedBy: 'termination_token' }
    previous = chosen
  }
  return { stop: 'end_turn', endedBy: 'max_turns' }
}

/** Asks the manager; after a second answer that names nobody it is the next member's turn, and the reader is told. */
async function choose(chat: Chat, candidates: Member[], previous: Member | undefined): Promise<Member | Ending> {
  const { manager, members, terminationToken: token } = chat
  const names = candidates.map(({ name }) => name)
  const options = token ? [...names, token] : names
  let reason = ''
  for (let attempt = 0; attempt < 2; attempt++) {
    const asked = await chat.speak(manager!, {
      note: noteFor(chat, names, attempt > 0),
      tools: [chooseTool(options)],
      mustCall: CHOOSE,
      maxSteps: 1,
      listeners: [],
    })
    if (endsChat(asked)) return { stop: asked.stop, endedBy: null }
    const choice = choiceOf(asked, options)
    if (choice === token && token) return { stop: 'end_turn', endedBy: 'termination_token' }
    const member = candidates.find(({ name }) => name === choice)
    if (member) return member
    reason = [...asked.calls.map((call) => call.arguments), ...asked.said].join(' ').slice(0, 200).toWellFormed()
  }
  const after = members.findIndex(({ id }) => id === previous?.id)
  const next = members[(after + 1) % members.length]!
  await chat.announce('speaker_choice', {
    chosen: next.name,
    because: `the manager named nobody of ${names.join(', ')}`,
    answer: reason,
  })
  return next
}

const chooseTool = (options: string[]): LentTool => ({
  spec: {
    name: CHOOSE,
    description: 'Says who speaks next.',
    parameters: {
      type: 'object',
      properties: { name: { type: 'string', enum: options, description: 'Exactly one of these.' } },
      required: ['name'],
    },
  },
  result: ({ name }) => {
    const known = optionOf(name, options)
    return known === undefined
      ? { text: `There is nobody of that name. Choose one of: ${options.join(', ')}`, isError: true }
      : { text: `${known} it is.`, isError: false }
  },
})

/** By a call, or by text where a model has no tools: then exactly one whole name must be in it. */
function choiceOf({ calls, said }: Said, options: string[]): string | undefined {
  const made = calls.filter(({ name }) => name === CHOOSE)
  if (made.length > 0) return onlyOne(made.map((call) => optionOf(nameIn(call.arguments), options)))
  const text = said.join('\n')
  return onlyOne(options.filter((option) => wholeWord(option).test(text)))
}

/** Several calls, or words, that name the same one are one choice; that name two are none. */
function onlyOne(choices: (string | undefined)[]): string | undefined {
  return new Set(choices).size === 1 ? choices[0] : undefined
}

function optionOf(name: unknown, options: string[]): string | undefined {
  if (typeof name !== 'string') return undefined
  const wanted = name.trim()
  const alike = options.filter((option) => option.toLowerCase() === wanted.toLowerCase())
  return options.includes(wanted) ? wanted : onlyOne(alike)
}

function nameIn(args: string): unknown {
  try {
    return parseArguments(args)['name']
  } catch {
    return undefined
  }
}

const wholeWord = (name: string) =>
  new RegExp(`(?<![\\p{L}\\p{N}_])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\p{L}\\p{N}_])`, 'iu')

const noteFor = ({ manager, description, terminationToken: token }: Chat, names: string[], again: boolean) =>
  [
    '<moderation>',
    `You are ${manager!.name}. You do not speak in this conversation: you say who speaks next.`,
    ...(description ? [`What it is about: ${description}`] : []),
    'Judge by the newest messages who would answer best.',
    `Choose exactly one of: ${names.join(', ')}.`,
    ...(token ? [`When the conversation has reached its goal, choose ${token} instead.`] : []),
    ...(again ? ['Your last answer named none of them, or more than one. Answer with one of these names.'] : []),
    '</moderation>',
  ].join('\n')
