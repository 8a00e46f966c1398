import { randomUUID } from 'node:crypto'
import type { Group } from '../wire/group.ts'
import type { Run } from '../wire/run.ts'
import { type Client, clientOf, clientOptions } from './client.ts'
import type { Command } from './command.ts'
import { follow, persist } from './follow.ts'
import { meantGroup } from './groups.ts'
import { Lines } from './lines.ts'
import { type Heard, Speech } from './speech.ts'
import { say, styled } from './terminal.ts'

export const command: Command = {
  usage: '[group] [message …]',
  summary: 'talk to a group, by its id or words of its description; with a message: just that',
  options: clientOptions,
  async run(given) {
    const client = clientOf(given)
    const [word, ...message] = given.words
    const group = await meantGroup(client, word)
    return await chat(client, group, message.join(' '))
  },
}

/**
 * One message and its answer, or one after the other until there are no more. Calls that wait are asked about in place. Ctrl-C
 * cancels the run that is on, else it is the end.
 *
 * @returns 0, or 1 when the last run failed
 */
export async function chat(client: Client, group: Group, message = ''): Promise<number> {
  using lines = new Lines()
  const talk = new Talk(client, group, lines)
  lines.onInterrupt = () => talk.interrupt()
  if (message !== '') return await talk.send(message)
  say(styled('dim', `${group.description || group.id}\nAn empty line or Ctrl-D ends it, Ctrl-C stops who is speaking.`))
  let code = await talk.resume()
  for (;;) {
    const line = await lines.ask('you: ')
    if (!line?.trim()) return code
    code = await talk.send(line)
  }
}

class Talk {
  readonly #client: Client
  readonly #group: Group
  readonly #lines: Lines
  readonly #speech = new Speech((text) => void process.stdout.write(text))
  #run: string | undefined

  constructor(client: Client, group: Group, lines: Lines) {
    this.#client = client
    this.#group = group
    this.#lines = lines
  }

  /** What is on, or waits for an answer, when one comes. */
  async resume(): Promise<number> {
    const [last] = await this.#client.get<Run[]>(`/v1/runs/?group_id=${this.#group.id}&limit=1`)
    if (!last || (last.completed_at !== null && last.stop_reason !== 'requires_approval')) return 0
    return await this.#hear(last.id)
  }

  async send(text: string): Promise<number> {
    return await this.#hear(await this.#post([{ role: 'user', content: text }]))
  }

  interrupt(): void {
    if (this.#run === undefined) process.exit(130)
    this.#client.send('POST', `/v1/runs/${this.#run}/cancel`).catch(() => {})
  }

  /** The key makes it one run, however often the line is lost. @returns the run's id */
  async #post(messages: object[]): Promise<string> {
    const headers = { 'idempotency-key': randomUUID() }
    // Several members at once, word by word, would be no text.
    const body = { messages, stream_tokens: this.#group.manager_type !== 'supervisor' }
    const path = `/v1/groups/${this.#group.id}/messages/stream`
    return await persist(async () => {
      const answer = await this.#client.open('POST', path, { body, headers })
      // Leaving never stops a run: it is followed by its id, from whatever connection.
      await answer.body?.cancel()
      return answer.headers.get('x-letta-run-id')!
    }, this.#onLine)
  }

  /** A run to its end, and the runs that its answers begin. */
  async #hear(runId: string): Promise<number> {
    for (;;) {
      this.#run = runId
      for await (const frame of follow(this.#client, runId, { onLine: this.#onLine })) this.#speech.take(frame)
      this.#run = undefined
      const { error, waiting, stopReason } = this.#speech.heard
      this.#speech.heard = { stopReason: undefined, error: undefined, waiting: [] }
      if (error !== undefined) say(styled('red', error))
      else if (stopReason === 'cancelled') this.#speech.note('stopped')
      if (waiting.length === 0) return error === undefined ? 0 : 1
      const approvals = await this.#askLeave(waiting)
      if (!approvals) return 1
      runId = await this.#post([{ type: 'approval', approvals }])
    }
  }

  async #askLeave(waiting: Heard['waiting']): Promise<object[] | undefined> {
    const approvals: object[] = []
    for (const { id, speaker, name, arguments: args } of waiting) {
      const question = `May ${speaker} run ${name}(${args})? y, or n and why: `
      const answer = await this.#lines.ask(styled('yellow', question))
      if (answer === undefined) return undefined
      const [word = '', ...reason] = answer.trim().split(/\s+/)
      const approve = /^y(es)?$/i.test(word)
      const why = (/^no?$/i.test(word) ? reason.join(' ') : answer.trim()) || null
      approvals.push({ type: 'approval', tool_call_id: id, approve, reason: approve ? null : why })
    }
    return approvals
  }

  readonly #onLine = (there: boolean) => this.#speech.note(there ? 'back' : 'the connection is lost, waiting for the server')
}
