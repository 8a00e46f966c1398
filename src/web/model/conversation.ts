import { batch, computed, signal } from '@preact/signals'
import type { ErrorMessage, Frame, LettaMessage } from '../../wire/message.ts'
import type { Run } from '../../wire/run.ts'
import { api, ApiError, send, wordsFor } from './api.ts'
import { announce } from './announcer.ts'
import { Feed, type Line } from './feed.ts'
import { type Item, outcomesIn, textOf } from './item.ts'
import { inOrder, LONG, messagesOfRun, newestMessages, PAGE } from './listing.ts'
import { RunView } from './run-view.ts'

export interface Target {
  kind: 'groups' | 'agents'
  id: string
}

export type OnBusy = 'enqueue' | 'interrupt'

/** What a person has sent and nobody has taken up yet. */
export interface Outgoing {
  otid: string
  text: string
  run: string | undefined
}

/**
 * What is said in a group, or with an agent: the runs that have ended from its list of messages, and whatever works now or later
 * from its stream, each from its first frame. So one who comes late, comes back or watches from elsewhere sees the same.
 */
export class Conversation {
  readonly target: Target
  readonly runs = signal<RunView[]>([])
  readonly outgoing = signal<Outgoing[]>([])
  readonly line = signal<Line>('connecting')
  readonly loaded = signal(false)
  readonly failure = signal<string | undefined>(undefined)
  readonly earlier = signal(false)
  /** Rises when a run has ended: sums are to be read again. */
  readonly ended = signal(0)
  /** The run that is speaking. */
  readonly active = computed(() => this.runs.value.findLast(({ active }) => active.value))
  /** The run that waits for answers: nobody can speak before they are given. */
  readonly waiting = computed(() => {
    const last = this.runs.value.at(-1)
    return last && !last.active.value && last.open.value.length > 0 ? last : undefined
  })
  readonly #chief: () => string | undefined
  readonly #feeds = new Map<string, Feed>()
  #oldest: string | undefined
  #closed = false

  /** @param chief who has several speak at the same time here */
  constructor(target: Target, chief: () => string | undefined) {
    this.target = target
    this.#chief = chief
    void this.#load()
  }

  get path(): string {
    return `/v1/${this.target.kind}/${this.target.id}`
  }

  close(): void {
    this.#closed = true
    for (const feed of this.#feeds.values()) feed.close()
  }

  /** The stream first: a run that begins before the list is read is in both, and its stream counts. */
  async #load(): Promise<void> {
    for (const feed of this.#feeds.values()) feed.close()
    this.#feeds.clear()
    this.#streamed.clear()
    if (this.target.kind === 'groups') this.#follow('', `${this.path}/stream`)
    try {
      if (this.target.kind === 'agents') await this.#followWorking()
      const mine = this.target.kind === 'groups' ? 'group_id' : 'agent_id'
      const [rows, ended] = await Promise.all([
        newestMessages(this.path),
        api.get<Run[]>(`/v1/runs?${mine}=${this.target.id}&limit=${PAGE}`),
      ])
      if (this.#closed) return
      batch(() => {
        const streamed = this.runs.peek().filter((run) => this.#isStreamed(run))
        this.runs.value = streamed
        this.#prepend(rows)
        for (const { id, stop_reason: stop, metadata } of ended) {
          const run = this.runs.peek().find((one) => one.id === id)
          if (!run || this.#isStreamed(run)) continue
          run.stop.value = stop ?? undefined
          run.error.value = metadata?.['error'] as ErrorMessage | undefined
        }
        this.loaded.value = true
        this.failure.value = undefined
      })
    } catch (error) {
      if (this.#closed) return
      this.failure.value = wordsFor(error)
      if (!(error instanceof ApiError)) setTimeout(() => !this.#closed && void this.#load(), 2000)
    }
  }

  async loadEarlier(): Promise<void> {
    const rows = await newestMessages(this.path, this.#oldest)
    if (!this.#closed) batch(() => this.#prepend(rows))
  }

  /** @param rows the newest first */
  #prepend(rows: LettaMessage[]) {
    // The request for leave has an id of its own, which is no place in the list.
    this.#oldest = rows.findLast(({ message_type: type }) => type !== 'approval_request_message')?.id ?? this.#oldest
    this.earlier.value = rows.length >= PAGE
    const byRun = Map.groupBy(inOrder(rows), ({ run_id: run }) => run ?? '')
    const older: RunView[] = []
    for (const [id, messages] of byRun) {
      const known = this.runs.peek().find((run) => run.id === id)
      if (known && this.#isStreamed(known)) known.reconcile(messages, false)
      else {
        const run = known ?? new RunView(id)
        run.fill(messages)
        if (!known) older.push(run)
      }
    }
    this.runs.value = [...older, ...this.runs.peek()]
    for (const run of this.runs.peek()) this.#attachAll(run)
  }

  // --- the stream ---

  readonly #streamed = new Set<string>()
  #isStreamed = ({ id }: RunView) => this.#streamed.has(id)

  #follow(name: string, path: string) {
    const feed: Feed = new Feed(path, {
      frame: (frame) => this.#take(frame),
      done: () => this.#unfollow(name),
      line: (line) => (this.line.value = line),
      gone: () => {
        this.#unfollow(name)
        void this.#load()
      },
    })
    this.#feeds.set(name, feed)
  }

  #unfollow(name: string) {
    this.#feeds.get(name)?.close()
    this.#feeds.delete(name)
  }

  /** An agent has no feed of its own: its runs are followed one by one. */
  async #followWorking() {
    this.line.value = 'live'
    const runs = await api.get<Run[]>(`/v1/runs?active=true&agent_id=${this.target.id}&order=asc`)
    for (const { id, metadata } of runs) if (metadata?.['group_id'] == null) this.#follow(id, `/v1/runs/${id}/stream`)
  }

  #take(frame: Frame) {
    const id = frame.run_id
    if (!id) return
    if (frame.message_type === 'ping') {
      if (frame.seq_id === 1) this.#begin(id)
      return
    }
    const run = this.runs.peek().find((one) => one.id === id)
    if (!run) return
    const begun = run.take(frame, this.#chief())
    if (begun) {
      this.#attach(run, begun)
      // One that stood in line has its input only now.
      if (run.list.length === 1) void this.#readInputs(run)
    }
    if (frame.message_type === 'stop_reason') void this.#finish(run)
  }

  #begin(id: string) {
    this.#streamed.add(id)
    let run = this.runs.peek().find((one) => one.id === id)
    if (!run) {
      run = new RunView(id)
      this.runs.value = [...this.runs.peek(), run]
    }
    run.begin()
    void this.#readInputs(run)
  }

  /** What was put in is not in the stream. */
  async #readInputs(run: RunView) {
    const complete = !run.active.peek()
    try {
      const listed = await messagesOfRun(run.id)
      run.reconcile(listed, complete && listed.length < LONG)
      this.#attachAll(run)
      if (run.list.some(({ message }) => message.message_type === 'user_message')) this.#settle(run.id)
    } catch {
      // It is read again when the run has ended, and with the next visit.
    }
  }

  async #finish(run: RunView) {
    for (const { message } of run.list) {
      if (message.message_type === 'assistant_message') announce(`${message.name}: ${textOf(message.content)}`)
    }
    await this.#readInputs(run)
    this.#settle(run.id)
    this.ended.value++
  }

  /** Calls, and what became of them: in the same run, or in the one that took it up. Some providers use ids again. */
  #attach(run: RunView, item: Item) {
    const runs = this.runs.peek()
    for (const [callId, outcome] of outcomesIn(item.message)) {
      let call = run.callBefore(item, callId)
      for (let at = runs.indexOf(run) - 1; !call && at >= 0; at--) call = runs[at]!.callBefore(undefined, callId)
      call?.settle(callId, outcome)
      item.attached = call !== undefined
    }
  }

  #attachAll(run: RunView) {
    for (const item of run.list) this.#attach(run, item)
  }

  // --- what the person does ---

  /** @returns what went wrong, for the person, whose text is not lost then */
  async say(text: string, onBusy: OnBusy): Promise<string | undefined> {
    const otid = crypto.randomUUID()
    const others = () => this.outgoing.peek().filter((one) => one.otid !== otid)
    this.outgoing.value = [...others(), { otid, text, run: undefined }]
    try {
      const run = await this.#send({ messages: [{ role: 'user', content: text, otid }], on_busy: onBusy })
      this.outgoing.value = this.#hasInput(run) ? others() : [...others(), { otid, text, run }]
      return undefined
    } catch (error) {
      this.outgoing.value = others()
      return wordsFor(error)
    }
  }

  /** @returns what went wrong */
  async answer(approvals: object[]): Promise<string | undefined> {
    try {
      await this.#send({ messages: [{ type: 'approval', approvals }] })
      return undefined
    } catch (error) {
      const last = this.runs.peek().at(-1)
      // Somebody else was faster, perhaps: then this shows it.
      if (last) await this.#readInputs(last)
      return wordsFor(error)
    }
  }

  async #send(body: object): Promise<string> {
    const run = await send(`${this.path}/messages/stream`, body)
    if (this.target.kind === 'agents' && !this.#feeds.has(run)) this.#follow(run, `/v1/runs/${run}/stream`)
    return run
  }

  /** Stops the run that speaks, or gives up the one that waits for answers. */
  async stop(): Promise<void> {
    const run = this.active.peek() ?? this.waiting.peek()
    if (!run) return
    await api.post(`/v1/runs/${run.id}/cancel`)
    if (!run.active.peek()) await this.#readInputs(run)
  }

  /** Takes back all that was said in the group. */
  async clear(): Promise<void> {
    await api.patch(`${this.path}/reset-messages`)
    await this.#load()
  }

  async withdraw({ run }: Outgoing): Promise<void> {
    if (!run) return
    await api.post(`/v1/runs/${run}/cancel`)
    this.#settle(run)
  }

  #hasInput = (id: string) =>
    this.runs.peek().some((run) => run.id === id && run.list.some(({ message }) => message.message_type === 'user_message'))

  #settle(run: string) {
    const left = this.outgoing.peek().filter((one) => one.run !== run)
    if (left.length < this.outgoing.peek().length) this.outgoing.value = left
  }
}
