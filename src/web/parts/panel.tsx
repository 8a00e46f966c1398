import { useEffect, useState } from 'preact/hooks'
import type { Conversation } from '../model/conversation.ts'
import { readRun, readSums, type RunSums, type Sums as SumsOf } from '../model/sums.ts'
import type { RunView } from '../model/run-view.ts'
import { count, duration, stopWords } from '../model/words.ts'
import { Close } from './icons.tsx'
import { Score, type ScoreBar } from './score.tsx'
import { Sums } from './sums.tsx'
import type { Seat } from './table.tsx'
import './panel.css'

interface PanelProps {
  conversation: Conversation
  seats: Seat[]
  close: () => void
}

/** What happened in a run, and what was used. */
export function Panel({ conversation, seats, close }: PanelProps) {
  const runs = conversation.runs.value.filter(({ id }) => id !== '')
  const [chosen, setChosen] = useState<string>()
  const run = runs.find(({ id }) => id === chosen) ?? runs.at(-1)
  const place = run ? runs.indexOf(run) : -1
  const [sums, setSums] = useState<SumsOf>()
  const { target } = conversation
  const ended = conversation.ended.value
  const cast = seats.map(({ id }) => id).join()
  useEffect(() => {
    let current = true
    void readSums(target.kind, target.id, cast.split(',').filter(Boolean)).then(
      (read) => current && setSums(read),
      () => {},
    )
    return () => void (current = false)
  }, [target, ended, cast])
  const choose = (at: number) => setChosen(at === runs.length - 1 ? undefined : runs[at]?.id)

  return (
    <aside class="panel" aria-label="The run and what was used">
      <header>
        <h2>{chosen === undefined ? 'Latest run' : `Run ${place + 1} of ${runs.length}`}</h2>
        <button type="button" class="quiet text" disabled={place <= 0} onClick={() => choose(place - 1)}>
          Earlier
        </button>
        <button
          type="button"
          class="quiet text"
          disabled={place < 0 || place >= runs.length - 1}
          onClick={() => choose(place + 1)}
        >
          Later
        </button>
        <button type="button" class="quiet only-narrow" aria-label="Close" onClick={close}>
          <Close />
        </button>
      </header>
      {run ? <OneRun key={run.id} run={run} seats={seats} /> : <p class="hint">Nothing has been said yet.</p>}
      {sums && sums.runs > 0 && <Sums sums={sums} seats={seats} />}
    </aside>
  )
}

function OneRun({ run, seats }: { run: RunView; seats: Seat[] }) {
  const [sums, setSums] = useState<RunSums>()
  const active = run.active.value
  useEffect(() => {
    if (active) return
    let current = true
    void readRun(run.id).then(
      (read) => current && setSums(read),
      () => {},
    )
    return () => void (current = false)
  }, [run, active])
  const watched = run.steps.value
  const ended = active ? undefined : sums
  const bars = ended ? measuredBars(ended) : watchedBars(watched)
  const usage = run.usage.value
  const tokens = ended
    ? [total(ended, 'promptTokens'), total(ended, 'completionTokens')]
    : usage && [usage.prompt_tokens, usage.completion_tokens]
  return (
    <>
      <Score bars={bars} seats={seats} live={active} />
      <dl class="facts">
        <Fact name="State" value={active ? 'speaking' : ended?.run.stop_reason ? stopWords[ended.run.stop_reason] : '–'} />
        <Fact name="First token" value={ended?.run.ttft_ns == null ? '–' : duration(ended.run.ttft_ns / 1e6)} />
        <Fact name="Took" value={ended?.run.total_duration_ns == null ? '–' : duration(ended.run.total_duration_ns / 1e6)} />
        <Fact name="Model calls" value={count(ended?.steps.length ?? watched.length)} />
        <Fact name="Tokens read" value={tokens ? count(tokens[0]!) : '–'} />
        <Fact name="Tokens written" value={tokens ? count(tokens[1]!) : '–'} />
      </dl>
    </>
  )
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
)

const total = ({ steps }: RunSums, field: 'promptTokens' | 'completionTokens') =>
  steps.reduce((sum, step) => sum + step[field], 0)

const measuredBars = ({ steps }: RunSums): ScoreBar[] =>
  steps.flatMap(({ id, agentId, from, to, completionTokens, model }) =>
    from === undefined || to === undefined
      ? []
      : [
          {
            id,
            speaker: agentId,
            from: Math.max(from, 0),
            to,
            detail: `${duration(to - from)}, ${count(completionTokens)} tokens, ${model}`,
          },
        ],
  )

function watchedBars(steps: RunView['steps']['value']): ScoreBar[] {
  const begin = Math.min(...steps.map(({ from }) => from))
  return steps.map(({ id, senderId, from, to }) => ({
    id,
    speaker: senderId ?? '',
    from: from - begin,
    to: to - begin,
    detail: duration(to - from),
  }))
}
