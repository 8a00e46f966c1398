import { useMemo } from 'preact/hooks'
import { GrowingMarkdown } from '../model/markdown.ts'
import './speech.css'

/** A text in Markdown, as far as it has come. */
export function Speech({ text }: { text: string }) {
  const markdown = useMemo(() => new GrowingMarkdown(), [])
  return (
    <div class="speech">
      {markdown.blocks(text).map((html, index) => (
        // oxlint-disable-next-line react/no-danger -- sanitised
        <div key={index} class="block" dangerouslySetInnerHTML={{ __html: html }} />
      ))}
    </div>
  )
}
