import createDOMPurify from 'dompurify'
import { Marked, type Token } from 'marked'

const escape = (text: string) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

/** HTML in a text is shown as it was written, and a picture as a link: what agents say loads nothing from anywhere. */
const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
})

const purify = createDOMPurify(window)

const allowed = {
  ALLOWED_TAGS: 'p br hr strong em del code pre blockquote a ul ol li h1 h2 h3 h4 h5 h6 table thead tbody tr th td'.split(' '),
  ALLOWED_ATTR: ['href', 'title', 'align', 'start'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
}

purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return
  node.setAttribute('target', '_blank')
  node.setAttribute('rel', 'noopener noreferrer')
})

const html = (token: Token): string => purify.sanitize(marked.parser([token]), allowed)

/**
 * A Markdown text that grows, as safe HTML, one piece for each of its blocks. Only what is behind the last finished block is
 * read again, so a long text costs no more per token than a short one.
 */
export class GrowingMarkdown {
  #text = ''
  #done: string[] = []
  #doneChars = 0
  #blocks: string[] = []

  blocks(text: string): string[] {
    if (text === this.#text) return this.#blocks
    if (!text.startsWith(this.#text)) {
      this.#done = []
      this.#doneChars = 0
    }
    this.#text = text
    const tokens = marked.lexer(text.slice(this.#doneChars)).filter(({ type }) => type !== 'def')
    const last = tokens.findLastIndex(({ type }) => type !== 'space')
    for (const token of tokens.slice(0, Math.max(last, 0))) {
      // Not so where line ends were rewritten: then all is read again each time.
      if (!text.startsWith(token.raw, this.#doneChars)) break
      this.#doneChars += token.raw.length
      if (token.type !== 'space') this.#done.push(html(token))
    }
    const open = marked.lexer(text.slice(this.#doneChars)).filter(({ type }) => type !== 'space' && type !== 'def')
    this.#blocks = [...this.#done, ...open.map(html)]
    return this.#blocks
  }
}
