import './folded.css'

/** What a speaker thought, folded. */
export function Thought({ text, open }: { text: string; open: boolean }) {
  const words = text.match(/\S+/g)?.length ?? 0
  return (
    <details class={open ? 'folded thought live' : 'folded thought'}>
      <summary>{open ? 'thinking …' : words > 0 ? `thought, ${words} words` : 'thought in private'}</summary>
      <p>{text || 'The provider does not show what was thought.'}</p>
    </details>
  )
}
