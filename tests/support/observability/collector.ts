import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A span as it came over the wire, its attributes by name. */
export type CollectedSpan = {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  attributes: Record<string, unknown>
  failed: boolean
  events: string[]
}

/** What takes traces: OTLP over HTTP, as JSON. */
export type Collector = {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string
  spans: CollectedSpan[]
  /** All that was sent, as it came. */
  bodies: string[]
  headers: IncomingHttpHeaders[]
  close(): Promise<void>
}

/** Starts a collector on a free port. @param status that it answers */
export async function startCollector(status = 200): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const bodies: string[] = []
  const headers: IncomingHttpHeaders[] = []
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (text: string) => (body += text))
    req.once('end', () => {
      bodies.push(body)
      headers.push(req.headers)
      if (req.url === '/v1/traces') spans.push(...spansIn(body))
      res.writeHead(status, { 'Content-Type': 'application/json' }).end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return { url, spans, bodies, headers, close }
}

type Value = Record<string, unknown>
type Attribute = { key: string; value: Value }
type WireSpan = {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  attributes: Attribute[]
  status: { code?: number }
  events: { name: string }[]
}

function spansIn(body: string): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body) as {
    resourceSpans: { scopeSpans: { spans: WireSpan[] }[] }[]
  }
  const all = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
  return all.map(({ traceId, spanId, parentSpanId, name, attributes, status, events }) => ({
    traceId,
    spanId,
    parentSpanId,
    name,
    attributes: Object.fromEntries(
      attributes.map(({ key, value }) => [key, Object.values(value)[0]]),
    ),
    failed: status.code === 2,
    events: events.map((event) => event.name),
  }))
}
