import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'

export interface SeenSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  from: number
  to: number
  attributes: Record<string, unknown>
  /** OTLP's: 2 = error. */
  status: number
}

/** An OpenTelemetry collector that takes traces as JSON over HTTP, and remembers them. */
export async function collector() {
  const spans: SeenSpan[] = []
  const requests: { path: string; headers: Record<string, unknown>; resource: Record<string, unknown> }[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => (text += part))
    request.on('end', () => {
      for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
        requests.push({ path: request.url!, headers: request.headers, resource: attributesOf(resource.attributes) })
        for (const scope of scopeSpans) spans.push(...scope.spans.map(spanOf))
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, requests }
}

const spanOf = (span: any): SeenSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentSpanId && { parentSpanId: span.parentSpanId }),
  name: span.name,
  kind: span.kind,
  from: Number(BigInt(span.startTimeUnixNano) / 1_000_000n),
  to: Number(BigInt(span.endTimeUnixNano) / 1_000_000n),
  attributes: attributesOf(span.attributes),
  status: span.status.code ?? 0,
})

const attributesOf = (pairs: { key: string; value: any }[]) =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]))

const valueOf = (value: any): unknown =>
  value.arrayValue ? value.arrayValue.values.map(valueOf) : (value.stringValue ?? value.doubleValue ?? Number(value.intValue))
