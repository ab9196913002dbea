import type { ChatRequest, ChatStreamEvent } from '../../../generated/api.ts'
import type { Client } from '../client.ts'

/** An event as it came over the wire: its name and id beside its JSON. */
export type WireEvent = { name: string; id: string; event: ChatStreamEvent }

/** A stream that is being read. */
export type OpenStream = {
  status: number
  headers: Headers
  /** Resolves with the next event, or with undefined at the end of the stream. */
  next(): Promise<WireEvent | undefined>
  /** Resolves with all remaining events. */
  rest(): Promise<WireEvent[]>
  hangUp(): void
}

/** Sends a message and reads the stream event by event, as a browser would. */
export function openStream(
  client: Client,
  body: ChatRequest,
  headers: Record<string, string> = {},
): Promise<OpenStream> {
  return read(client.urlOf('streamMessage'), {
    method: 'POST',
    headers: { ...client.credentials, 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** Resumes a stream after an event, or from the first event on. */
export function resumeStream(
  client: Client,
  generationId: string,
  lastEventId?: string,
): Promise<OpenStream> {
  const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }
  return read(client.urlOf('resumeStream', { path: { generationId } }), {
    headers: { ...client.credentials, ...headers },
  })
}

async function read(url: string, request: RequestInit): Promise<OpenStream> {
  const hangingUp = new AbortController()
  const response = await fetch(url, { ...request, signal: hangingUp.signal })
  const events = readEvents(response)
  const next = async () => {
    const { done, value } = await events.next()
    return done === true ? undefined : value
  }
  return {
    status: response.status,
    headers: response.headers,
    next,
    async rest() {
      const all: WireEvent[] = []
      for (let event = await next(); event; event = await next()) all.push(event)
      return all
    },
    hangUp: () => {
      hangingUp.abort()
    },
  }
}

/** Returns the joined text of the deltas among these events. */
export function textOf(events: readonly WireEvent[]): string {
  return events.map(({ event }) => (event.type === 'message.delta' ? event.text : '')).join('')
}

async function* readEvents(response: Response): AsyncGenerator<WireEvent> {
  if (!response.body) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let buffer = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    buffer += value
    const blocks = buffer.split('\n\n')
    buffer = blocks.pop() ?? ''
    for (const block of blocks) yield parseEvent(block)
  }
}

function parseEvent(block: string): WireEvent {
  const lines = block.split('\n').filter((line) => !line.startsWith(':'))
  const fields = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)]
    }),
  )
  const event = JSON.parse(fields.get('data') ?? '') as ChatStreamEvent
  return { name: fields.get('event') ?? '', id: fields.get('id') ?? '', event }
}
