import { type Clock, systemClock } from '../clock/clock.ts'
import { inTime, TooSlow } from '../clock/in-time.ts'
import { openRedis, type RedisConnection } from './redis.ts'

/** A piece of an answer with its number among the events of the stream. */
export type RelayedPiece = { seq: number; text: string }

/**
 * Carries pieces of answers to the other instances. It only makes them arrive sooner: what it loses is
 * in the database half a second later.
 */
export interface Relay {
  /** @throws while Redis is unavailable */
  publish(generationId: string, pieces: readonly RelayedPiece[]): Promise<void>
  /** The pieces after a number that have arrived. @throws while Redis is unavailable */
  read(generationId: string, after: number): Promise<RelayedPiece[]>
  close(): void
}

/** A stream can be followed for 10 minutes after its end; older pieces are of no use. */
const KEPT_SECONDS = 900
const PIECES_AT_ONCE = 1_000
/** How long a reader waits for a Redis that hangs; in real time, like all timeouts of a connection. */
const PATIENCE_MS = 300

/** Opens a relay over a connection of its own. */
export async function openRedisRelay(url: string, clock: Clock): Promise<Relay> {
  return createRedisRelay(await openRedis(url, clock))
}

/** Keeps one Redis stream for each generation: the number of a piece is the id of its entry. */
export function createRedisRelay(connection: RedisConnection): Relay {
  return {
    async publish(generationId, pieces) {
      const key = keyOf(generationId)
      const batch = connection.client().multi()
      for (const { seq, text } of pieces) batch.xAdd(key, `${seq}-0`, { text })
      await batch.expire(key, KEPT_SECONDS).exec()
    },
    async read(generationId, after) {
      const from = `${after + 1}-0`
      const limit = { COUNT: PIECES_AT_ONCE }
      const reading = connection.client().xRange(keyOf(generationId), from, '+', limit)
      const entries = await inTime(reading, PATIENCE_MS, systemClock).catch((error: unknown) => {
        if (error instanceof TooSlow) connection.reconnect()
        throw error
      })
      return (entries ?? []).map(({ id, message }) => ({
        seq: Number.parseInt(id, 10),
        text: message['text'] ?? '',
      }))
    },
    close: () => connection.close(),
  }
}

function keyOf(generationId: string): string {
  return `parley:pieces:${generationId}`
}
