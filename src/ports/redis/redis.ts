import { createClient } from '@redis/client'
import type { Clock } from '../clock/clock.ts'

export type RedisConnection = {
  /**
   * The client of the moment.
   * @throws while there is no connection; the cause says why
   */
  client(): RedisClient
  /** What the other side said that no Redis says, if it ever did. */
  misread(): unknown
  reconnect(): void
  close(): void
}

type RedisClient = ReturnType<typeof makeClient>

const CONNECT_MS = 2_000
const LONGEST_BACK_OFF_MS = 2_000
/** Commands on the way at once; nothing waits while Redis is away. */
const MOST_COMMANDS = 10_000

/**
 * A connection to Redis that comes back by itself for ever and never ends the process.
 * Resolves when it is there, or has failed for the first time.
 */
export async function openRedis(url: string, clock: Clock): Promise<RedisConnection> {
  let failure: unknown
  let misread: unknown
  const noteFailure = (error: unknown): void => {
    failure = error
    if (String(error).includes('Unknown RESP type')) misread = error
  }
  let client = makeClient(url)
  await Promise.race([beginConnecting(client, noteFailure), clock.wait(CONNECT_MS)])
  return {
    client() {
      if (!client.isReady) throw new Error('Redis is not connected', { cause: failure })
      return client
    },
    misread: () => misread,
    reconnect() {
      client.destroy()
      client = makeClient(url)
      void beginConnecting(client, noteFailure)
    },
    close() {
      client.destroy()
    },
  }
}

function makeClient(url: string) {
  return createClient({
    url,
    // The older protocol needs no handshake and works with every Redis and its relatives.
    RESP: 2,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // Without this, calls would pile up in memory while Redis is away.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MOST_COMMANDS,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (retries) =>
        Math.min(50 * 2 ** Math.min(retries, 10), LONGEST_BACK_OFF_MS),
    },
  })
}

/** Resolves at the first connection or failure; the client goes on trying by itself. */
function beginConnecting(
  client: RedisClient,
  noteFailure: (error: unknown) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => resolve()
    // Unheard, 'error' would end the process.
    client.on('error', (error: unknown) => {
      noteFailure(error)
      resolve()
    })
    client.connect().then(settle, settle)
  })
}
