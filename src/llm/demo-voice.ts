import type { PromptMessage } from './provider.ts'

/** What the demo model makes of a prompt. */
export interface Scene {
  persona: string
  /** A word of the persona, and one of what the human wants. */
  interest: string
  topic: string
  lastUserText: string
  /** The last other member who spoke, and a word of what they said. */
  lastSpeaker: string | undefined
  lastWord: string
  /** How often we spoke before. */
  spoken: number
  /** The tool results that we are to speak about. */
  results: string[]
  /** From the whole prompt: the same prompt, the same choices. */
  seed: number
}

export function readScene(system: string, messages: PromptMessage[]): Scene {
  const persona = (/<persona>[^]*?<value>([^]*?)<\/value>/.exec(system)?.[1] ?? '').replace(/^\s*\d+→ /gm, '').trim()
  const texts = messages.flatMap((message) =>
    message.role === 'user' ? [message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')] : [],
  )
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '')
  const said = lines.map((line) => /^([\p{L}][\p{L}\p{N} _.-]{0,40}): (.+)$/u.exec(line))
  const others = said.filter((match) => match && !humans.test(match[1]!))
  const asked = lines.filter((_, index) => !others.includes(said[index]!)).map((line) => line.replace(/^(user|human): /i, ''))
  const last = others.at(-1)
  const end = messages.at(-1)
  return {
    persona,
    interest: salient(persona.split(/[.!?\n]| and /, 1)[0] ?? '', 'small things'),
    topic: salient(asked.at(-1) ?? '', 'this'),
    lastUserText: texts.at(-1) ?? '',
    lastSpeaker: last?.[1],
    lastWord: salient(last?.[2] ?? '', 'that'),
    spoken: messages.filter(({ role }) => role === 'assistant').length,
    results: end?.role === 'tool' ? end.results.map(({ name, text }) => `${name} answered “${text.slice(0, 160)}”`) : [],
    seed: hash(system + JSON.stringify(messages)),
  }
}

/** What it thinks and says: two to four sentences in the voice of its persona. */
export function compose(scene: Scene, tool: string | undefined): { reasoning: string; text: string } {
  const voice = voices.find(({ fits }) => fits.test(scene.persona)) ?? voices[hash(scene.persona) % voices.length]!
  const heard = scene.lastSpeaker ? `${scene.lastSpeaker} spoke last, about ${scene.lastWord}. ` : ''
  const plan = tool ? `I shall call ${tool}.` : `My persona cares for ${scene.interest}, so I speak as ${voice.name}.`
  const reasoning = `I am the demo model: a script, no mind, no network. ${heard}The topic seems to be ${scene.topic}. ${plan}`
  const pick = (from: readonly string[], salt: number) => fill(from[(scene.seed + scene.spoken + salt) % from.length]!, scene)
  if (scene.results.length > 0) return { reasoning, text: `${scene.results.join('; ')}. ${pick(voice.thinks, 1)}` }
  const reaction = scene.lastSpeaker ? `${pick(voice.reacts, 0)} ` : ''
  return { reasoning, text: `${reaction}${pick(voice.thinks, 1)} ${pick(voice.asks, 2)}` }
}

const fill = (template: string, scene: Scene): string =>
  template.replace(/\{(who|word|topic|interest)\}/g, (_, key: 'who' | 'word' | 'topic' | 'interest') =>
    key === 'who'
      ? scene.lastSpeaker!
      : key === 'word'
        ? `“${scene.lastWord}”`
        : key === 'topic'
          ? `“${scene.topic}”`
          : scene.interest,
  )

/** The first that fits the persona speaks; a persona that fits none gets one by lot, always the same. */
const voices = [
  {
    name: 'a sceptic',
    fits: /s[ck]epti|critic|doubt|contrar|devil|lawyer|audit|careful/i,
    reacts: [
      'Hold on, {who}: who measured {word}?',
      '{who}, I like {word} less the longer I look at it.',
      'I hear {who} say {word}, and I hear no evidence.',
    ],
    thinks: [
      'With {topic} the cheap mistakes come first, and {interest} taught me to look for those.',
      'Before we praise {topic}, show me the day it failed.',
    ],
    asks: [
      'What would change your mind?',
      'I will believe it when somebody has tried to break it.',
      'Who pays if we are wrong?',
    ],
  },
  {
    name: 'a dreamer',
    fits: /poet|dream|artist|writer|romantic|story|music|paint/i,
    reacts: [
      'Oh, {who}, you said {word} and a window opened.',
      '{who} hums {word}; let me take the second voice.',
      'I kept {word} in my pocket, {who}, and it grew warm.',
    ],
    thinks: [
      '{topic}: I see it at dusk, with {interest} leaning on the gate.',
      'Every {topic} wants to be told twice, once in daylight and once by {interest}.',
    ],
    asks: ['Shall we give it a name before it flies off?', 'Listen, it is nearly a song.', 'What colour is it for you?'],
  },
  {
    name: 'a builder',
    fits: /engineer|build|develop|practical|maker|program|design|craft|cook|chef/i,
    reacts: [
      'Good, {who}: {word} is something I can put on the bench.',
      '{who}, {word} works for me if it fits in an afternoon.',
      'Taking {word} from {who} as step one.',
    ],
    thinks: [
      'For {topic} I would make the smallest piece that runs, then hang {interest} on it.',
      'Give {topic} three parts and one screw; {interest} holds better that way.',
    ],
    asks: ['I can have a first version by lunch.', 'Which part breaks first?', 'Hand me the next constraint.'],
  },
  {
    name: 'a scholar',
    fits: /scien|research|histor|professor|teacher|data|analy|philosoph|curious|expert/i,
    reacts: [
      '{who} is in good company: {word} has a long literature.',
      'A footnote to {who}: {word} means two things here.',
      'What {who} calls {word} is worth counting.',
    ],
    thinks: [
      'On {topic} the sources disagree, which is where {interest} becomes useful.',
      'There are two kinds of {topic}, and {interest} is found in the rarer one.',
    ],
    asks: ['Which of the two do we mean?', 'I would want a second observation.', 'Let us define it before we like it.'],
  },
  {
    name: 'a captain',
    fits: /manager|supervis|lead|moderat|planner|captain|director|organi/i,
    reacts: [
      'Noted, {who}: {word} goes on the list.',
      'Thank you, {who}; {word} gets an owner today.',
      '{who} has given us {word}, so we are one decision further.',
    ],
    thinks: [
      'For {topic} we need one goal, one date and a little {interest}.',
      'Let us cut {topic} in halves and keep {interest} for the second.',
    ],
    asks: ['Who takes the next turn?', 'Objections now, please.', 'Then we go on.'],
  },
  {
    name: 'an optimist',
    fits: /optimis|enthusias|cheer|kind|friend|coach|warm|happy/i,
    reacts: ['Yes, {who}, {word}!', '{who}, you had me at {word}.', 'I was about to say {word}, and {who} said it better.'],
    thinks: [
      '{topic} makes me glad already, and with {interest} it gets better.',
      'The best of {topic} is that it brings {interest} to the table.',
    ],
    asks: ['Who is in?', 'Let us try it while we are smiling.', 'What would make it twice as good?'],
  },
] as const

const humans = /^(user|human|system)$/i
const stopWords = new Set(
  'shall must might going make take tell does give help think know need find come only over been were they them what whom whose much many more most also then than into onto upon here near back about after again agent because before being between could every have hello should since some something their there these thing things this those through today want what when where which while will with would your you are the and not please obviously today really very just like maybe'.split(
    ' ',
  ),
)

/** The last word that says something: what a sentence is about mostly stands there. */
function salient(text: string, otherwise: string): string {
  const found = text.match(/[\p{L}][\p{L}-]{3,}/gu)?.filter((word) => !stopWords.has(word.toLowerCase()))
  return found?.at(-1)?.toLowerCase() ?? otherwise
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return value >>> 0
}
