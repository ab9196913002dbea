import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { policyOf } from '../contract/contract.ts'
import { fillPath } from '../contract/operations.ts'
import type { TestServer } from '../server.ts'
import { until } from '../clock/until.ts'
import type { Exchange } from './exchange.ts'
import type { Credentials } from './recorder.ts'

const PATIENCE_MS = 30_000

/** Announces a body and never sends it: the response is 408. */
export async function withholdBody(
  server: TestServer,
  credentials: Credentials,
): Promise<Exchange> {
  const { clock, url } = server
  const before = clock.pending
  const sent = request(url + fillPath(policyOf('sendMessage'), String), {
    method: 'POST',
    headers: { ...credentials, 'Content-Type': 'application/json', 'Content-Length': 30 },
  })
  sent.on('error', () => undefined).write('{')
  const responded = once(sent, 'response') as Promise<[IncomingMessage]>
  await until(() => clock.pending > before)
  await clock.advance(PATIENCE_MS)
  const [response] = await responded
  let text = ''
  for await (const piece of response.setEncoding('utf8')) text += piece as string
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
  )
  const body = JSON.parse(text) as unknown
  return { operationId: 'sendMessage', request: {}, status: response.statusCode!, headers, body }
}
