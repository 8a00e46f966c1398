import { EventSourceParserStream } from 'eventsource-parser/stream'

export interface Event {
  id: number | undefined
  event: string | undefined
  /** A message, or the text `[DONE]`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
  data: any
}

/** The events of a stream as they come. `next()` takes one; `for await` takes the rest. */
export async function* events({ body }: Response): AsyncGenerator<Event, undefined> {
  const decoded = body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const { id, event, data } of decoded) {
    yield { id: id === undefined ? undefined : Number(id), event, data: data === '[DONE]' ? data : JSON.parse(data) }
  }
}

/** All of them, when the stream has ended. */
export const allEvents = (response: Response): Promise<Event[]> => Array.fromAsync(events(response))

/** Takes events until one has this `message_type`. */
export async function upTo(stream: AsyncGenerator<Event>, type: string): Promise<Event> {
  for (;;) {
    const { done, value } = await stream.next()
    if (done) throw new Error(`The stream ended without ${type}`)
    if (value.data.message_type === type) return value
  }
}

/** What a stream says, one word for each event: a type, or what decides in it. */
export const words = (given: Event[]): string[] =>
  given.map(({ event, data }) => {
    if (data === '[DONE]') return data
    const { message_type: type, stop_reason: stop, error_type: error } = data
    return [event, type, stop ?? error].filter(Boolean).join(' ')
  })

/** All that was said, by speaker; successive pieces are put together. */
export function spoken(given: Event[]): string[] {
  const lines = new Map<string, string>()
  for (const { data } of given) {
    if (data.message_type === 'assistant_message')
      lines.set(data.otid, (lines.get(data.otid) ?? `${data.name}: `) + data.content)
  }
  return [...lines.values()]
}
