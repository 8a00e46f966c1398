import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Folding } from '../../src/stream/fold.ts'
import { readFrame, splitFrames } from '../../src/stream/frame.ts'
import type { LettaMessage, StopReason, ToolCall } from '../../src/wire/message.ts'
import { Dice } from './random.ts'
import type { World } from './world.ts'

/** Who talks to whom: the managers of groups, and an agent alone. */
export const kinds = ['round_robin', 'dynamic', 'supervisor', 'sleeptime', 'swarm', 'agent'] as const
export type Kind = (typeof kinds)[number]

/** Whom a client talks to. */
interface Partner {
  kind: Kind
  id: string
  /** Where messages are sent and listed. */
  path: string
  /** The names of all who are in it. */
  members: string[]
  /** One request has cut off another: who waits there may have lost. */
  interrupted: boolean
}

/** A run as its clients have seen it. */
export interface Witness {
  runId: string
  partner: Partner
  /** What was said; nothing for one that brings answers. */
  input: string | undefined
  /** How often the server had been killed when it was sent first. */
  killsBefore: number
  /** The hash of each frame that anybody has seen. */
  seen: Map<number, string>
}

interface Sent {
  run: Witness
  stream: Response | undefined
}

/** What one reader has folded. */
interface Heard {
  messages: LettaMessage[]
  stop: StopReason['stop_reason'] | undefined
}

const look = { name: 'look', description: 'Looks.', parameters: { type: 'object', properties: { note: { type: 'string' } } } }

let names = 0

/** One who talks to a group of its own after the other, and takes up everything that a dying server has cut off. */
export class Client {
  readonly #world: World
  readonly #kind: Kind
  readonly #dice: Dice
  readonly #name: string
  readonly #bookTool: () => Promise<string>
  #sends = 0
  readonly runs: Witness[] = []
  /** What it waits for, in words. */
  doing = 'nothing'

  constructor(
    world: World,
    kind: Kind,
    { seed, name, bookTool }: { seed: number; name: string; bookTool: () => Promise<string> },
  ) {
    this.#world = world
    this.#kind = kind
    this.#dice = new Dice(seed)
    this.#name = name
    this.#bookTool = bookTool
  }

  /** Talks until it is told to stop, and then to the end of what it has begun. */
  async live(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const partner = await this.#meet()
      for (let round = 0; round < 4 && !stop.aborted; round++) await this.#talk(partner)
    }
    this.doing = 'nothing'
  }

  async #meet(): Promise<Partner> {
    const kind = this.#kind
    const tool = await this.#bookTool()
    return await this.#world.persist(async (url) => {
      this.doing = 'making a group'
      const suffix = ++names
      const member = async (name: string) => {
        // Nobody sees what background work asks leave for.
        const careful = kind !== 'sleeptime' &&
          this.#dice.chance(0.3) && { tool_rules: [{ type: 'requires_approval', tool_name: 'book' }] }
        return await post<{ id: string; name: string }>(url, '/v1/agents/', {
          name: `${name}_${suffix}`,
          system: `I am ${name}_${suffix}.`,
          tool_ids: [tool],
          memory_blocks: [{ label: 'human', value: 'Nobody yet.' }],
          include_base_tools: this.#dice.chance(0.5),
          ...careful,
        })
      }
      const agents = []
      for (const name of kind === 'agent' ? ['ana'] : ['ana', 'ben', 'cleo']) agents.push(await member(name))
      const ids = agents.map(({ id }) => id)
      const members = agents.map(({ name }) => name)
      if (kind === 'agent') return { kind, id: ids[0]!, path: `/v1/agents/${ids[0]}/messages`, members, interrupted: false }
      const chief = kind === 'round_robin' || kind === 'swarm' ? undefined : await member('max')
      const turns = kind === 'dynamic' || kind === 'swarm' ? { max_turns: 3 } : {}
      const frequency = kind === 'sleeptime' ? { sleeptime_agent_frequency: 2 } : {}
      const { id } = await post<{ id: string }>(url, '/v1/groups/', {
        agent_ids: ids,
        description: 'a group under torture',
        manager_config: { manager_type: kind, ...(chief && { manager_agent_id: chief.id }), ...turns, ...frequency },
      })
      if (chief) members.push(chief.name)
      return { kind, id, path: `/v1/groups/${id}/messages`, members, interrupted: false }
    })
  }

  /** One request, sometimes with another on its heels; both to their ends, with all that is asked on the way. */
  async #talk(partner: Partner): Promise<void> {
    const first = await this.#say(partner)
    const second = this.#dice.chance(0.25) ? this.#dice.one(['enqueue', 'interrupt']) : undefined
    await Promise.all([
      this.#see(first, true),
      second !== undefined && this.#say(partner, second).then((sent) => this.#see(sent, false)),
    ])
  }

  async #say(partner: Partner, onBusy = 'enqueue'): Promise<Sent> {
    if (onBusy === 'interrupt') partner.interrupted = true
    const key = `${this.#name}-${++this.#sends}`
    const input = `say ${key}`
    const byOtid = this.#dice.chance(0.3)
    const message = { role: 'user', content: input, ...(byOtid && { otid: key }) }
    const tools = this.#dice.chance(0.5) && { client_tools: [look] }
    const body = { messages: [message], on_busy: onBusy, ...tools }
    return (await this.#send(partner, body, { key: byOtid ? undefined : key, input }))!
  }

  /** Sends until it is accepted; again and again with the same key. @returns nothing when an answer came too late */
  async #send(
    partner: Partner,
    body: object,
    { key, input }: { key: string | undefined; input: string | undefined },
  ): Promise<Sent | undefined> {
    const mode = this.#dice.one(['tokens', 'steps', 'json', 'async'] as const)
    const path = mode === 'async' ? `${partner.path}/async` : partner.path
    const streams = mode === 'tokens' || mode === 'steps'
    const options = {
      ...body,
      max_steps: 100,
      stream_tokens: mode === 'tokens',
      ...(mode !== 'async' && { streaming: streams }),
    }
    const twice = this.#dice.chance(0.15)
    const killsBefore = this.#world.counts.kills
    let known: string | undefined
    let tries = 0
    const accepted = await this.#world.persist(async (url) => {
      this.doing = `sending ${input ?? 'answers'} to ${partner.path} (${mode})`
      if (++tries > 1) this.#world.happened('repeats')
      const offer = () => request(url, path, options, key === undefined ? {} : { 'idempotency-key': key })
      const [response, other] = await Promise.all([offer(), twice ? offer() : undefined])
      for (const one of [response, other]) {
        const runId = one && (await runOf(one))
        if (runId === undefined) continue
        if (known !== undefined && runId !== known) this.#world.violated(`${input ?? key} became ${known}, and ${runId}`)
        known ??= runId
      }
      if (other?.bodyUsed === false) await other.body?.cancel()
      if (known !== undefined) return { runId: known, stream: streams && response.ok ? response : undefined }
      const said = await response.text()
      if (input === undefined && [400, 409].includes(response.status) && !/currently being processed/.test(said)) {
        if (!partner.interrupted) this.#world.violated(`answers to ${partner.path} were refused: ${response.status} ${said}`)
        return 'too late'
      }
      if (![409, 429, 503].includes(response.status)) this.#world.violated(`${input} was refused: ${response.status} ${said}`)
      await sleep(20)
      return undefined
    })
    if (accepted === 'too late') return undefined
    const { runId, stream } = accepted
    const before = this.runs.find((run) => run.runId === runId)
    if (before && before.input !== input) this.#world.violated(`${runId} is of two requests`)
    const run = before ?? { runId, partner, input, killsBefore, seen: new Map() }
    if (!before) this.runs.push(run)
    return { run, stream }
  }

  /** Reads a run to its end, with others; maybe cancels it; and answers what it asks, until nothing is asked any more. */
  async #see({ run, stream }: Sent, mayCancel: boolean): Promise<void> {
    const cancelAt = mayCancel && this.#dice.chance(0.15) ? 1 + this.#dice.below(60) : Infinity
    const others = Array.from({ length: this.#dice.below(2) }, () => this.#read(run))
    const cancelled = Promise.withResolvers<void>()
    const [heard] = await Promise.all([
      this.#read(run, stream, (frames) => {
        if (frames === cancelAt) void this.#cancel(run).then(cancelled.resolve, cancelled.reject)
      }).finally(() => cancelled.resolve()),
      cancelled.promise,
      ...others,
    ])
    if (heard.stop !== 'requires_approval') return
    if (this.#dice.chance(0.15)) return await this.#cancel(run)
    const calls = heard.messages.flatMap((message) =>
      message.message_type === 'approval_request_message' ? (message.tool_calls as ToolCall[]) : [],
    )
    const approvals = calls.map(({ name, tool_call_id }) =>
      name === look.name
        ? { type: 'tool', tool_call_id, tool_return: 'It rains.', status: 'success' }
        : { type: 'approval', tool_call_id, approve: this.#dice.chance(0.7) },
    )
    const body = { messages: [{ type: 'approval', approvals }], client_tools: [look] }
    const key = this.#dice.chance(0.5) ? `${this.#name}-${++this.#sends}` : undefined
    const sent = await this.#send(run.partner, body, { key, input: undefined })
    if (sent) await this.#see(sent, mayCancel)
  }

  async #cancel(run: Witness): Promise<void> {
    run.partner.interrupted = true
    await this.#world.persist(async (url) => {
      this.doing = `cancelling ${run.runId}`
      const response = await request(url, `/v1/runs/${run.runId}/cancel`, {})
      await response.text()
      if (response.ok) return true
      if (response.status !== 503) this.#world.violated(`a cancel of ${run.runId} was refused: ${response.status}`)
      return undefined
    })
  }

  /** One reader: comes back with the number of its last frame until it has seen the final one. */
  async #read(run: Witness, first?: Response, onFrame?: (frames: number) => void): Promise<Heard> {
    const folding = new Folding()
    let last = 0
    let done = false
    let stream = first
    const frameCame = (text: string) => {
      const id = Number(/^id: (\d+)\n/.exec(text)?.[1])
      if (Number.isNaN(id)) return
      if (id !== last + 1) this.#world.violated(`${run.runId}: frame ${id} came after ${last}`)
      last = id
      const hash = hashOf(text)
      if ((run.seen.get(id) ?? hash) !== hash) this.#world.violated(`${run.runId}: frame ${id} is another one than before`)
      run.seen.set(id, hash)
      const message = readFrame(text)
      if (message) folding.add(message)
      else done = true
      this.#world.happened('frames')
      onFrame?.(id)
    }
    await this.#world.persist(async (url) => {
      // The kill may come between the last frame and the end of the response.
      if (done) return true
      this.doing = `reading ${run.runId} after ${last}`
      const response = stream ?? (await this.#resume(url, run.runId, last))
      stream = undefined
      if (response.status !== 200) {
        this.#world.violated(`${run.runId} after ${last}: ${response.status} ${await response.text()}`)
        return true
      }
      let text = ''
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk
        const end = text.lastIndexOf('\n\n') + 2
        for (const frame of splitFrames(text.slice(0, end))) frameCame(frame)
        text = text.slice(end)
      }
      return done || undefined
    })
    const { messages, stopReason } = folding.result()
    return { messages, stop: stopReason?.stop_reason }
  }

  async #resume(url: string, runId: string, after: number): Promise<Response> {
    if (after > 0) this.#world.happened('resumes')
    const path = `/v1/runs/${runId}/stream`
    const way = this.#dice.below(3)
    if (way === 0) return await request(url, path, { starting_after: after })
    if (way === 1) return await fetch(`${url}${path}?starting_after=${after}`)
    return await fetch(url + path, { headers: after > 0 ? { 'last-event-id': `${after}` } : {} })
  }
}

/** The run that an answer is about; undefined when the request was refused. */
async function runOf(response: Response): Promise<string | undefined> {
  const header = response.headers.get('x-letta-run-id')
  if (header !== null) {
    // All of the answer, or a lost connection: until then nothing was promised to one who waits for JSON.
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) await response.text()
    return header
  }
  if (!response.ok) return undefined
  const { id } = (await response.json()) as { id: string }
  return id
}

const request = (url: string, path: string, body: object, headers: Record<string, string> = {}) =>
  fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

async function post<T>(url: string, path: string, body: object): Promise<T> {
  const response = await request(url, path, body)
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

export const hashOf = (text: string) => createHash('sha256').update(text).digest('base64')
