import { setTimeout as pause } from 'node:timers/promises'
import type { PostgresServer } from '../../../tests/support/database/postgres-server.ts'
import type { RedisServer } from '../../../tests/support/database/redis-server.ts'
import type { TestUpstream } from '../../../tests/support/upstream/upstream.ts'
import { BROKEN, CUT, type Explains } from './diary.ts'
import type { Instance } from './instance.ts'

const OUTAGE_MS = 10_000

type Environment = {
  instances: [Instance, Instance]
  postgres: PostgresServer
  redis: RedisServer
  upstream: TestUpstream
}

export type Disturbance = { what: string; explains: Explains; act: () => Promise<void> }

/** 409: until a killed instance's lease expires, its conversations are busy and its keys in use. */
const INSTANCE_DOWN = new Set([BROKEN, CUT, 409, 503])
const STORE_DOWN = new Set([CUT, 409, 503])
const UPSTREAM_DOWN = new Set([CUT, 502, 503, 504])

/** Restarts the second instance more often, so that the first runs long enough to show leaks. */
export function disturbances(environment: Environment): Disturbance[] {
  const [first, second] = environment.instances
  const outages = outagesOf(environment)
  return [
    ...outages,
    restart('second', second, 'SIGTERM'),
    restart('second', second, 'SIGKILL'),
    restart('first', first, 'SIGTERM'),
    ...outages,
    restart('second', second, 'SIGTERM'),
    restart('second', second, 'SIGKILL'),
  ]
}

function restart(name: string, instance: Instance, signal: 'SIGTERM' | 'SIGKILL'): Disturbance {
  const what = `${signal} to the ${name} instance`
  return { what, explains: INSTANCE_DOWN, act: () => instance.restart(signal) }
}

function outagesOf({ postgres, redis, upstream }: Environment): Disturbance[] {
  return [
    storeOutage(
      'PostgreSQL killed for 10 s',
      () => postgres.kill(),
      () => postgres.start(),
    ),
    storeOutage(
      'Redis killed for 10 s',
      () => redis.kill(),
      () => redis.start(),
    ),
    upstreamOutage(upstream),
    storeOutage(
      'PostgreSQL stopped for 10 s',
      () => postgres.signal('SIGSTOP'),
      () => postgres.signal('SIGCONT'),
    ),
    storeOutage(
      'Redis stopped for 10 s',
      async () => redis.signal('SIGSTOP'),
      async () => redis.signal('SIGCONT'),
    ),
  ]
}

function storeOutage(
  what: string,
  begin: () => Promise<void>,
  end: () => Promise<void>,
): Disturbance {
  return { what, explains: STORE_DOWN, act: () => outage(begin, end) }
}

function upstreamOutage(upstream: TestUpstream): Disturbance {
  const fail = async () => {
    const { script } = upstream
    upstream.script = { ...script, status: 500 }
    await pause(OUTAGE_MS)
    upstream.script = script
  }
  return { what: 'the upstream answers 500 for 10 s', explains: UPSTREAM_DOWN, act: fail }
}

async function outage(begin: () => Promise<void>, end: () => Promise<void>): Promise<void> {
  await begin()
  await pause(OUTAGE_MS)
  await end()
}
