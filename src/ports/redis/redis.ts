import { createClient } from '@redis/client'
import type { Clock } from '../clock/clock.ts'

export type RedisConnection = {
  /**
   * The current client.
   * @throws while there is no connection; the cause says why
   */
  client(): RedisClient
  /** The error for a reply that does not come from a Redis, if there was one. */
  misread(): unknown
  /** Replaces the client by a new one. */
  reconnect(): void
  close(): void
}

type RedisClient = ReturnType<typeof makeClient>

const CONNECT_MS = 2_000
const MAX_BACK_OFF_MS = 2_000
/** Commands in progress; none waits while Redis is unavailable. */
const MAX_COMMANDS = 10_000

/**
 * A connection to Redis that reconnects by itself without end and never ends the process.
 * Resolves when it is open, or has failed for the first time.
 */
export async function openRedis(url: string, clock: Clock): Promise<RedisConnection> {
  let failure: unknown
  let misread: unknown
  const noteFailure = (error: unknown): void => {
    failure = error
    if (String(error).includes('Unknown RESP type')) misread = error
  }
  let client = makeClient(url)
  await Promise.race([connect(client, noteFailure), clock.wait(CONNECT_MS)])
  return {
    client() {
      if (!client.isReady) throw new Error('Redis is not connected', { cause: failure })
      return client
    },
    misread: () => misread,
    reconnect() {
      client.destroy()
      client = makeClient(url)
      void connect(client, noteFailure)
    },
    close() {
      client.destroy()
    },
  }
}

function makeClient(url: string) {
  return createClient({
    url,
    // The older protocol needs no handshake and works with every Redis and its forks.
    RESP: 2,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // Otherwise calls would pile up in memory while Redis is unavailable.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_COMMANDS,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** Math.min(retries, 10), MAX_BACK_OFF_MS),
    },
  })
}

/** Resolves at the first connection or failure; the client keeps trying by itself. */
function connect(client: RedisClient, noteFailure: (error: unknown) => void): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => resolve()
    // Without a listener, 'error' would end the process.
    client.on('error', (error: unknown) => {
      noteFailure(error)
      resolve()
    })
    client.connect().then(settle, settle)
  })
}
