import { setTimeout as pause } from 'node:timers/promises'
import type { PostgresServer } from '../../../tests/support/database/postgres-server.ts'
import type { RedisServer } from '../../../tests/support/database/redis-server.ts'
import type { TestUpstream } from '../../../tests/support/upstream/upstream.ts'
import { BROKEN, CUT, type Explains } from './diary.ts'
import type { Instance } from './instance.ts'

/** Something stays away for so long. */
const AWAY_MS = 10_000

type Scene = {
  instances: [Instance, Instance]
  postgres: PostgresServer
  redis: RedisServer
  upstream: TestUpstream
}

type Disturbance = { what: string; explains: Explains; act: () => Promise<void> }

/** 409: a conversation is busy, or a key in use, until a dead instance's lease is over. */
const INSTANCE_GONE = new Set([BROKEN, CUT, 409, 503])
const STORE_GONE = new Set([CUT, 409, 503])
const UPSTREAM_GONE = new Set([CUT, 502, 503, 504])

/** Everything in turn, the second instance more often: the first grows old in between. */
export function disturbances({ instances, postgres, redis, upstream }: Scene): Disturbance[] {
  const [first, second] = instances
  const restart = (name: string, instance: Instance, signal: 'SIGTERM' | 'SIGKILL') => ({
    what: `${signal} to the ${name} instance`,
    explains: INSTANCE_GONE,
    act: () => instance.restart(signal),
  })
  const aside: Disturbance[] = [
    {
      what: 'PostgreSQL killed for 10 s',
      explains: STORE_GONE,
      act: () => forAWhile(postgres.kill, postgres.start),
    },
    {
      what: 'Redis killed for 10 s',
      explains: STORE_GONE,
      act: () => forAWhile(redis.kill, redis.start),
    },
    {
      what: 'the upstream answers 500 for 10 s',
      explains: UPSTREAM_GONE,
      act: () => {
        const { script } = upstream
        const fail = async () => {
          upstream.script = { ...script, status: 500 }
        }
        const mend = async () => {
          upstream.script = script
        }
        return forAWhile(fail, mend)
      },
    },
    {
      what: 'PostgreSQL stopped for 10 s',
      explains: STORE_GONE,
      act: () =>
        forAWhile(
          () => postgres.signal('SIGSTOP'),
          () => postgres.signal('SIGCONT'),
        ),
    },
    {
      what: 'Redis stopped for 10 s',
      explains: STORE_GONE,
      act: () =>
        forAWhile(
          async () => redis.signal('SIGSTOP'),
          async () => redis.signal('SIGCONT'),
        ),
    },
  ]
  return [
    ...aside,
    restart('second', second, 'SIGTERM'),
    restart('second', second, 'SIGKILL'),
    restart('first', first, 'SIGTERM'),
    ...aside,
    restart('second', second, 'SIGTERM'),
    restart('second', second, 'SIGKILL'),
  ]
}

async function forAWhile(take: () => Promise<void>, giveBack: () => Promise<void>): Promise<void> {
  await take()
  await pause(AWAY_MS)
  await giveBack()
}
