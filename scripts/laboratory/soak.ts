import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { freePort } from '../../tests/support/wire/free-port.ts'
import { startPostgres } from '../../tests/support/database/postgres-server.ts'
import { openWorkplace } from '../../tests/support/process/process.ts'
import { startRedis } from '../../tests/support/database/redis-server.ts'
import { createDatabase } from '../../tests/support/database/server-database.ts'
import { startUpstream } from '../../tests/support/upstream/upstream.ts'
import { Diary } from './soak/diary.ts'
import { createInstance, type Instance } from './soak/instance.ts'
import { type Disturbance, disturbances } from './soak/disturbances.ts'
import { User } from './soak/user.ts'

/*
 * `npm run soak [-- --minutes 60 --users 8]`: runs mixed load on two instances with their own PostgreSQL,
 * Redis and upstream, and interrupts each of these in turn. Exits 1 if a call fails for no known reason,
 * or if an acknowledged message is lost. Prints memory and file descriptors every minute, for a person
 * to judge.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    users: { type: 'string', default: '8' },
  },
})
const MINUTE_MS = 60_000
const minutes = Number(values.minutes)
/** Minutes without disturbances at the beginning and the end, as a baseline. */
const QUIET_MINUTES = Math.min(2, minutes / 5)
const WORDS = 'I have heard you and will think about it for a while before I say more .'.split(' ')

type Environment = Awaited<ReturnType<typeof open>>

const environment = await open()
try {
  process.exitCode = await soak(environment)
} finally {
  await close(environment)
}
// Connections that clients keep alive would keep the process running.
process.exit()

async function open() {
  return {
    workplace: await openWorkplace(),
    postgres: await startPostgres(),
    redis: await startRedis(),
    upstream: await startUpstream({ words: WORDS.map((word) => `${word} `) }),
  }
}

async function close({ workplace, postgres, redis, upstream }: Environment): Promise<void> {
  await workplace.close()
  // A process stopped by SIGSTOP receives no other signal until SIGCONT.
  redis.signal('SIGCONT')
  await Promise.all([postgres.close(), redis.kill(), upstream.close()])
}

async function startInstances(environment: Environment): Promise<[Instance, Instance]> {
  const { workplace, postgres, redis, upstream } = environment
  const keysFile = join(workplace.directory, 'keys.json')
  await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
  const env = {
    DATABASE_URL: await createDatabase(postgres.url, 'parley'),
    REDIS_URL: redis.url,
    SIGNING_KEYS_FILE: keysFile,
    SERVER_SECRET: newServerSecret(),
    CHAT_UPSTREAM_URL: upstream.url,
    REGISTRATION: 'open',
    // This process keeps the output of its children in memory.
    LOG_LEVEL: 'warn',
    RATE_LIMIT_SIGN_IN_ADDRESS: '1000000/60',
    RATE_LIMIT_SIGN_IN_ACCOUNT: '1000000/60',
  }
  const start = async () => createInstance(workplace, { ...env, PORT: String(await freePort()) })
  return [await start(), await start()]
}

/** Returns the exit code: 0 if no failure is unexplained and no message is lost. */
async function soak(environment: Environment): Promise<number> {
  const instances = await startInstances(environment)
  const diary = new Diary()
  const users = Array.from(
    { length: Number(values.users) },
    () => new User(`${randomUUID()}@example.com`, instances, diary),
  )
  const over = new AbortController()
  const running = users.map((user) => user.run(over.signal))
  const reporting = report(instances, diary, over.signal)

  await pause(QUIET_MINUTES * MINUTE_MS)
  await disturbInTurn(disturbances({ ...environment, instances }), diary)
  await pause(QUIET_MINUTES * MINUTE_MS)
  over.abort()
  await Promise.all(running)
  await reporting
  const lost = (await Promise.all(users.map((user) => user.findLost()))).flat()
  console.log(diary.summary())
  const acknowledged = users.flatMap((user) => user.acknowledgedIds)
  console.log(`Acknowledged messages: ${acknowledged.length}`)
  for (const loss of lost) console.error(`LOST ${loss}`)
  return lost.length === 0 && diary.unexplained() === 0 ? 0 : 1
}

/** Spreads the disturbances evenly over the minutes that are not quiet. */
async function disturbInTurn(all: readonly Disturbance[], diary: Diary): Promise<void> {
  const gapMs = ((minutes - 2 * QUIET_MINUTES) * MINUTE_MS) / all.length
  for (const { what, explains, act } of all) {
    const startedAtMs = performance.now()
    await diary.disturb(what, explains, act)
    await pause(Math.max(0, gapMs - (performance.now() - startedAtMs)))
  }
}

/** Prints a line every minute: the calls, and the resources that each instance uses. */
async function report(
  instances: readonly Instance[],
  diary: Diary,
  over: AbortSignal,
): Promise<void> {
  const startedAtMs = performance.now()
  while (!over.aborted) {
    await pause(MINUTE_MS, undefined, { signal: over }).catch(() => undefined)
    const usage = await Promise.all(instances.map((instance) => instance.usage()))
    const minute = ((performance.now() - startedAtMs) / MINUTE_MS).toFixed(0).padStart(3)
    console.log(`${minute} min  ${diary.counts()}  ${usage.join('  ')}`)
  }
}
