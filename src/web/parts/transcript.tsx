import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Conversation, Outgoing } from '../model/conversation.ts'
import { Down } from './icons.tsx'
import { RunBlock } from './run-block.tsx'
import { Speech } from './speech.tsx'
import './transcript.css'

/** So near to the end counts as at the end: then it goes along with what is said. */
const NEAR_PX = 80

export function Transcript({ conversation, cast }: { conversation: Conversation; cast: string[] }) {
  const scroller = useRef<HTMLDivElement>(null)
  const inner = useRef<HTMLDivElement>(null)
  const along = useRef(true)
  const [away, setAway] = useState(false)
  const toEnd = () => {
    along.current = true
    setAway(false)
    scroller.current!.scrollTop = scroller.current!.scrollHeight
  }
  useEffect(() => {
    const growth = new ResizeObserver(() => {
      const box = scroller.current
      if (box && along.current) box.scrollTop = box.scrollHeight
    })
    growth.observe(inner.current!)
    growth.observe(scroller.current!)
    return () => growth.disconnect()
  }, [])
  useLayoutEffect(toEnd, [conversation.loaded.value, conversation.outgoing.value.length])
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller.current!
    along.current = scrollHeight - scrollTop - clientHeight < NEAR_PX
    setAway(!along.current)
  }

  return (
    <div class="transcript">
      <div
        class="scroller"
        ref={scroller}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="The conversation"
      >
        <div class="inner" ref={inner}>
          {conversation.earlier.value && (
            <button type="button" class="earlier" onClick={() => void conversation.loadEarlier()}>
              Earlier messages
            </button>
          )}
          {conversation.runs.value.map((run) => (
            <RunBlock key={run.id} conversation={conversation} run={run} cast={cast} />
          ))}
          {conversation.outgoing.value.map((mine) => (
            <Waiting key={mine.otid} mine={mine} conversation={conversation} />
          ))}
        </div>
      </div>
      {away && (
        <button type="button" class="to-end" onClick={toEnd}>
          <Down /> To the latest
        </button>
      )}
    </div>
  )
}

/** What was sent and has not begun. */
function Waiting({ mine, conversation }: { mine: Outgoing; conversation: Conversation }) {
  const inLine = mine.run !== undefined && conversation.active.value !== undefined && conversation.active.value.id !== mine.run
  return (
    <article class="turn you waiting">
      <h3>You</h3>
      <div class="said">
        <Speech text={mine.text} />
        {inLine && (
          <p class="hint">
            waits in line{' '}
            <button type="button" class="quiet text" onClick={() => void conversation.withdraw(mine)}>
              take it back
            </button>
          </p>
        )}
      </div>
    </article>
  )
}
