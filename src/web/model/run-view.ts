import { computed, signal } from '@preact/signals'
import { Folding, keyOf, withdrawnBy } from '../../stream/fold.ts'
import type { ErrorMessage, Frame, LettaMessage } from '../../wire/message.ts'
import type { StopReasonType } from '../../wire/run.ts'
import type { UsageStatistics } from '../../wire/usage.ts'
import { callsOf, Item, type Outcome } from './item.ts'
import { soon } from './paint.ts'

/** Who does something at this moment. */
export interface Speaking {
  id: string
  name: string
  doing: 'thinks' | 'speaks' | 'uses a tool'
}

/** A step as it was watched: from its first frame to its last, in ms since 1970. */
export interface WatchedStep {
  id: string
  senderId: string | null
  name: string
  from: number
  to: number
}

/** One run on the page: what was put in, what was said, and how it stands. */
export class RunView {
  readonly id: string
  readonly items = signal<Item[]>([])
  readonly active = signal(false)
  readonly stop = signal<StopReasonType | undefined>(undefined)
  readonly usage = signal<UsageStatistics | undefined>(undefined)
  readonly error = signal<ErrorMessage | undefined>(undefined)
  readonly speaking = signal<Speaking[]>([])
  readonly steps = signal<WatchedStep[]>([])
  /** Calls that nobody has answered yet. They wait once the run has ended. */
  readonly open = computed(() =>
    this.items.value.filter(
      ({ message, outcomes, version }) =>
        version.value >= 0 &&
        message.message_type === 'approval_request_message' &&
        callsOf(message).some(({ tool_call_id: id }) => !isSettled(outcomes.value[id])),
    ),
  )
  #list: Item[] = []
  #folding = new Folding()
  #speaking: Speaking[] = []
  #steps: WatchedStep[] = []

  constructor(id: string) {
    this.id = id
  }

  get list(): readonly Item[] {
    return this.#list
  }

  /** Begins again: its stream is read from the start. What was put in stays. */
  begin(): void {
    this.#folding = new Folding()
    this.#list = this.#list.filter(({ message }) => isInput(message))
    this.#speaking = []
    this.#steps = []
    this.active.value = true
    this.stop.value = undefined
    this.usage.value = undefined
    this.error.value = undefined
    soon(this.#show)
  }

  /**
   * @param chief who has several speak at the same time: of those, one who begins does not end another
   * @returns the message that has just begun, if one has
   */
  take(frame: Frame, chief: string | undefined): Item | undefined {
    const message = this.#folding.add(frame)
    if (message) return this.#grow(message, chief)
    if (frame.message_type === 'stop_reason') {
      this.stop.value = frame.stop_reason
      this.end()
    }
    if (frame.message_type === 'usage_statistics') this.usage.value = frame
    if (frame.message_type === 'error_message') this.error.value = frame
    return undefined
  }

  end(): void {
    this.active.value = false
    this.#speaking = []
    soon(this.#show)
  }

  #grow(message: LettaMessage, chief: string | undefined): Item | undefined {
    if (message.message_type === 'event_message' && message.event_type === 'step_retry') {
      const gone = new Set(withdrawnBy(message))
      this.#list = this.#list.filter(({ key }) => !gone.has(key))
    }
    this.#watch(message, chief)
    const key = keyOf(message)
    const known = this.#list.findLast((item) => item.key === key)
    if (known) {
      known.grow(message)
      return undefined
    }
    return this.#insert(new Item(message), this.#list.length)
  }

  /**
   * What the list of the run's messages says that its stream does not: what was put in, in its place, and what was taken back.
   * Nothing that was streamed is replaced.
   *
   * @param complete whether the list was read after the run had ended
   */
  reconcile(listed: LettaMessage[], complete: boolean): void {
    if (complete) {
      const kept = new Set(listed.map(keyOf))
      this.#list = this.#list.filter(({ key, message }) => kept.has(key) || isNote(message))
    }
    let place = 0
    for (const message of listed) {
      const at = this.#list.findIndex(({ key }) => key === keyOf(message))
      if (at >= 0) place = at + 1
      else if (isInput(message)) this.#insert(new Item(message), place++)
    }
    soon(this.#show)
  }

  /** What a list says, where there is no stream to read: it comes before what is known already. */
  fill(messages: LettaMessage[]): void {
    this.#list.unshift(...messages.map((message) => new Item(message)))
    soon(this.#show)
  }

  #insert(item: Item, place: number): Item {
    this.#list.splice(place, 0, item)
    soon(this.#show)
    return item
  }

  /** The newest item before `item` that made this call; of all, without one. */
  callBefore(item: Item | undefined, callId: string): Item | undefined {
    const end = item ? this.#list.indexOf(item) : this.#list.length
    return this.#list.findLast(
      ({ message }, index) => index < end && callsOf(message).some(({ tool_call_id }) => tool_call_id === callId),
    )
  }

  #watch(message: LettaMessage, chief: string | undefined) {
    const { sender_id: id, step_id: step, name, date } = message
    const doing = activity[message.message_type]
    if (id === null || name === null || !doing) return
    const speaker = { id, name, doing }
    const known = this.#speaking.some((speaking) => speaking.id === id)
    if (chief === undefined || id === chief) this.#speaking = [speaker]
    else if (known) this.#speaking = this.#speaking.map((speaking) => (speaking.id === id ? speaker : speaking))
    else this.#speaking = [...this.#speaking.filter((speaking) => speaking.id !== chief), speaker]
    // A frame that is replayed tells its time by its date, in whole seconds.
    const stamp = Date.parse(date)
    const now = Date.now() - stamp > 3000 ? stamp : Date.now()
    const begun = this.#steps.findLast((one) => one.id === step)
    if (begun) begun.to = Math.max(begun.to, now)
    else if (step !== null) this.#steps.push({ id: step, senderId: id, name, from: now, to: now })
    soon(this.#show)
  }

  readonly #show = () => {
    this.items.value = [...this.#list]
    this.speaking.value = this.#speaking
    this.steps.value = this.#steps.map((step) => ({ ...step }))
  }
}

const activity: Partial<Record<LettaMessage['message_type'], Speaking['doing']>> = {
  reasoning_message: 'thinks',
  hidden_reasoning_message: 'thinks',
  assistant_message: 'speaks',
  tool_call_message: 'uses a tool',
}

/** What a client gave; it is not in a run's stream. */
const isInput = ({ message_type: type }: LettaMessage) =>
  type === 'user_message' || type === 'system_message' || type === 'approval_response_message'

/** What only a stream says. */
const isNote = ({ message_type: type }: LettaMessage) => type === 'event_message'

const isSettled = (outcome: Outcome | undefined) => outcome?.returned !== undefined || outcome?.decision !== undefined
