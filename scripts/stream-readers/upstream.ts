import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** Longer than the interval after which Parley keeps a silent stream alive. */
const SILENCE_MS = 20_000

/** Characters that some readers take for the end of a line; in JSON they are not. */
export const LINE_ENDS = 'one\u2028two\u2029three\u0085four\r\nfive'

/** A message with this text gets one word, and then nothing more. */
export const NEVER_END = 'never end'

/** Starts a model server that pauses in the middle of each answer. */
export async function startUpstream(): Promise<{ url: string; close(): void }> {
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (piece: string) => (body += piece))
    req.on('end', () => void answer(req.url ?? '', body, res))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url, close }
}

async function answer(path: string, body: string, res: ServerResponse): Promise<void> {
  if (path.endsWith('/models')) {
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ object: 'list', data: [{ id: 'pausing', object: 'model' }] }))
    return
  }
  res.setHeader('Content-Type', 'text/event-stream')
  say(res, { delta: { content: 'Hello ' } })
  if (body.includes(NEVER_END)) return
  await pause(SILENCE_MS)
  say(res, { delta: { content: LINE_ENDS } })
  say(res, { delta: {}, finish_reason: 'stop' })
  res.end('data: [DONE]\n\n')
}

function say(res: ServerResponse, choice: object): void {
  const chunk = { object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] }
  res.write(`data: ${JSON.stringify(chunk)}\n\n`)
}
