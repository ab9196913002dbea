import type { ChatRequest, ChatStreamEvent } from '../../generated/api.ts'
import type { Client } from './client.ts'

/** An event as it came over the wire: its name and id beside its JSON. */
export type WireEvent = { name: string; id: string; event: ChatStreamEvent }

/** An answer that is being read. */
export type OpenStream = {
  status: number
  headers: Headers
  /** The next event; undefined at the end of the stream. */
  next(): Promise<WireEvent | undefined>
  /** All that are left. */
  rest(): Promise<WireEvent[]>
  hangUp(): void
}

/** Sends a message and reads its answer event by event, as a browser would. */
export async function openStream(client: Client, body: ChatRequest): Promise<OpenStream> {
  const hangingUp = new AbortController()
  const response = await fetch(client.urlOf('streamMessage'), {
    method: 'POST',
    headers: { ...client.credentials, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal: hangingUp.signal,
  })
  return streamOf(response, hangingUp)
}

/** Goes on behind an event, as a browser does by itself. */
export async function resumeStream(client: Client, lastEventId: string): Promise<OpenStream> {
  const hangingUp = new AbortController()
  const generationId = lastEventId.slice(0, lastEventId.indexOf(':'))
  const response = await fetch(client.urlOf('resumeStream', { path: { generationId } }), {
    headers: { ...client.credentials, 'Last-Event-ID': lastEventId },
    signal: hangingUp.signal,
  })
  return streamOf(response, hangingUp)
}

function streamOf(response: Response, hangingUp: AbortController): OpenStream {
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

/** The text of the pieces among these events. */
export function textOf(events: readonly WireEvent[]): string {
  return events.map(({ event }) => (event.type === 'message.delta' ? event.text : '')).join('')
}

async function* readEvents(response: Response): AsyncGenerator<WireEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let buffer = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    buffer += value
    const blocks = buffer.split('\n\n')
    buffer = blocks.pop() ?? ''
    for (const block of blocks) if (!block.startsWith(':')) yield parseEvent(block)
  }
}

function parseEvent(block: string): WireEvent {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)]
    }),
  )
  const event = JSON.parse(fields.get('data') ?? '') as ChatStreamEvent
  return { name: fields.get('event') ?? '', id: fields.get('id') ?? '', event }
}
