import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { policyOf } from '../contract/contract.ts'
import { fill } from '../contract/operations.ts'
import type { TestServer } from '../server.ts'
import { until } from '../clock/until.ts'
import type { Exchange } from './exchange.ts'
import type { Credentials } from './recorder.ts'

const PATIENCE_MS = 30_000

/** Announces a message and never sends it. */
export async function slowBody(server: TestServer, who: Credentials): Promise<Exchange> {
  const { clock, url } = server
  const before = clock.pending
  const sent = request(url + fill(policyOf('sendMessage'), String), {
    method: 'POST',
    headers: { ...who, 'Content-Type': 'application/json', 'Content-Length': 30 },
  })
  sent.on('error', () => undefined).write('{')
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  await until(() => clock.pending > before)
  await clock.advance(PATIENCE_MS)
  const [answer] = await answered
  let text = ''
  for await (const piece of answer.setEncoding('utf8')) text += piece as string
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
  )
  const body = JSON.parse(text) as unknown
  return { operationId: 'sendMessage', request: {}, status: answer.statusCode!, headers, body }
}
