import { useEffect, useRef, useState } from 'preact/hooks'
import { wordsFor } from '../model/api.ts'
import type { Conversation, OnBusy } from '../model/conversation.ts'
import { Stop, Up } from './icons.tsx'
import './composer.css'

/** Drafts outlive a reload of the tab. */
const nameOf = ({ target }: Conversation) => `roundtable.draft.${target.id}`

export function Composer({ conversation, hint }: { conversation: Conversation; hint: string }) {
  const field = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState(() => sessionStorage.getItem(nameOf(conversation)) ?? '')
  const [onBusy, setOnBusy] = useState<OnBusy>('enqueue')
  const [failure, setFailure] = useState<string>()
  const busy = conversation.active.value !== undefined
  const waits = conversation.waiting.value !== undefined

  const write = (next: string) => {
    setText(next)
    sessionStorage.setItem(nameOf(conversation), next)
  }
  useEffect(() => {
    const area = field.current!
    area.style.height = 'auto'
    area.style.height = `${area.scrollHeight}px`
  }, [text])
  useEffect(() => {
    // On a phone it would call up the keyboard.
    if (!matchMedia('(pointer: coarse)').matches) field.current!.focus({ preventScroll: true })
  }, [])

  const stop = () => void conversation.stop().catch((error: unknown) => setFailure(wordsFor(error)))
  const send = async () => {
    const said = text.trim()
    if (said === '') return
    write('')
    setFailure(undefined)
    const wrong = await conversation.say(said, onBusy)
    if (wrong === undefined) return
    setFailure(wrong)
    write(said)
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault()
      void send()
    } else if (event.key === 'Escape' && busy) {
      event.preventDefault()
      stop()
    }
  }

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      {failure && (
        <p class="wrong" role="alert">
          {failure}
        </p>
      )}
      <div class="box">
        <textarea
          id="composer"
          ref={field}
          rows={1}
          value={text}
          aria-label="Your message"
          placeholder={waits ? 'Answer the call first, or stop' : hint}
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={onKey}
        />
        {(busy || waits) && (
          <button type="button" class="round" aria-label="Stop" title="Stop (Esc)" onClick={stop}>
            <Stop />
          </button>
        )}
        <button type="submit" class="round primary" aria-label="Send" title="Send (Enter)" disabled={text.trim() === ''}>
          <Up />
        </button>
      </div>
      <p class="keys">
        {busy ? (
          <label>
            They are speaking; what you send{' '}
            <select value={onBusy} onChange={(event) => setOnBusy(event.currentTarget.value as OnBusy)}>
              <option value="enqueue">waits in line</option>
              <option value="interrupt">interrupts them</option>
            </select>
          </label>
        ) : (
          <span>
            <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line, <kbd>Esc</kbd> stops
          </span>
        )}
      </p>
    </form>
  )
}
