import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { UpstreamCall, UpstreamScript } from './upstream-script.ts'

const DROP_DELAY_MS = 30

/** Closes the connection after the client has had time to read: a reset discards unread bytes. */
export function drop(response: ServerResponse): void {
  setTimeout(() => response.destroy(), response.headersSent ? DROP_DELAY_MS : 0)
}

/** Yields what the stream does, in order: text to write, `stall` or `drop`. */
export function* steps(script: UpstreamScript, model: string): Generator<string> {
  const words = script.words ?? ['Hello', ' from', ' upstream', '.']
  const usage = {
    prompt_tokens: 11,
    completion_tokens: words.length,
    total_tokens: 11 + words.length,
  }
  yield* trouble(script, 0)
  if (script.preamble) yield script.preamble
  while (script.endlessPreamble !== undefined) yield script.endlessPreamble
  yield chunk(model, { role: 'assistant', content: '' })
  if (script.reasoning) for (const word of words) yield chunk(model, { reasoning_content: word })
  do {
    for (const [index, word] of words.entries()) {
      yield chunk(model, { content: word })
      yield* trouble(script, index + 1)
    }
  } while (script.endless)
  const last = script.usage === 'in-last-choice' ? { usage } : {}
  if (!script.withoutFinish) yield chunk(model, {}, 'stop', last)
  if ((script.usage ?? 'final') === 'final') yield event({ model, choices: [], usage })
  if (!script.withoutDone) yield 'data: [DONE]\n\n'
  if (script.staysOpen) yield 'stall'
}

function* trouble(script: UpstreamScript, words: number): Generator<string> {
  if (script.stallAfter === words) yield 'stall'
  if (script.dropAfter === words) yield 'drop'
  if (script.garbageAfter === words) yield 'data: {"choices": [{"delta"\n\n'
  if (script.errorAfter === words) yield event({ error: { message: 'overloaded', code: 500 } })
}

function chunk(model: string, delta: object, finish: string | null = null, more: object = {}) {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return event({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model, choices, ...more })
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

/** Writes text of the stream, split as the script says, no faster than it is read. */
export async function writeSplit(
  text: string,
  bytesPerWrite: number | undefined,
  call: UpstreamCall,
  response: ServerResponse,
): Promise<void> {
  if (!response.headersSent) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    response.socket?.setNoDelay(true)
  }
  const bytes = Buffer.from(text)
  const size = bytesPerWrite ?? bytes.length
  for (let start = 0; start < bytes.length && !response.destroyed; start += size) {
    const piece = bytes.subarray(start, start + size)
    call.bytesWritten += piece.length
    const buffered = !response.write(piece)
    // Pieces written in one turn would share a packet.
    if (bytesPerWrite !== undefined) await new Promise((resolve) => setImmediate(resolve))
    if (buffered) await Promise.race([once(response, 'drain'), call.closed])
  }
}
