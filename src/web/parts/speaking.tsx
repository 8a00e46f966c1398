import { hueOf, inHue } from '../model/colours.ts'
import type { Conversation } from '../model/conversation.ts'

/** Who is speaking now. */
export function NowSpeaking({ conversation, cast }: { conversation: Conversation; cast: string[] }) {
  const run = conversation.active.value
  if (!run) return null
  const speaking = run.speaking.value
  return (
    <p class="now" role="status">
      {speaking.length === 0 && <span class="who">waiting for the first word</span>}
      {speaking.map(({ id, name, doing }) => (
        <span key={id} class="who" style={inHue(hueOf(id, cast))}>
          <b>{name}</b> {doing}
        </span>
      ))}
      <span class="dots" aria-hidden="true" />
    </p>
  )
}
