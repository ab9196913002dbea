import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import type { Client } from '../support/client.ts'
import type { Random } from '../support/random.ts'

const CONCURRENT = 20

/** Resumes a stream or starts a new one, and disconnects at a random moment. */
export function hangUpAtRandom(
  client: Client,
  generationId: string,
  random: Random,
): Promise<void> {
  const isNew = random.next() < 0.4
  const url = isNew
    ? client.urlOf('streamMessage')
    : client.urlOf('resumeStream', { path: { generationId } })
  const headers = {
    ...client.credentials,
    'Content-Type': 'application/json',
    // A key is claimed before a slot is taken: some clients have disconnected by then.
    ...(isNew && { 'Idempotency-Key': randomUUID() }),
  }
  return new Promise((resolve) => {
    const sent = request(url, { method: isNew ? 'POST' : 'GET', headers, agent: false })
    sent.on('error', () => undefined)
    sent.on('response', (response) => response.on('error', () => undefined).resume())
    sent.once('close', () => {
      resolve()
    })
    // The conversation does not exist, so no answer starts.
    sent.end(isNew ? JSON.stringify({ message: 'Hi', conversationId: randomUUID() }) : undefined)
    const disconnect = (turnsLeft: number) => {
      if (turnsLeft === 0) sent.destroy()
      else setImmediate(disconnect, turnsLeft - 1)
    }
    disconnect(random.int(0, 80))
  })
}

/** Runs `work` this many times, 20 at a time. */
export async function runConcurrently(times: number, work: () => Promise<void>): Promise<void> {
  let left = times
  const worker = async () => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: CONCURRENT }, worker))
}
