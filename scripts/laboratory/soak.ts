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
import { createDiary, type Diary } from './soak/diary.ts'
import { createInstance, type Instance } from './soak/instance.ts'
import { disturbances } from './soak/disturbances.ts'
import { createUser, type User } from './soak/user.ts'

/*
 * Mixed load on two instances with a PostgreSQL, a Redis and an upstream of their own, while each of
 * them is restarted in turn: `npm run soak [-- --minutes 60 --users 8]`. It ends with an error if a
 * call failed that nothing explains, or if something acknowledged is gone; what memory and file
 * descriptors did is printed minute by minute, for a person to judge.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    users: { type: 'string', default: '8' },
  },
})
const MINUTE_MS = 60_000
const minutes = Number(values.minutes)
/** Undisturbed at the beginning and the end, so that there is something to compare. */
const QUIET_MINUTES = Math.min(2, minutes / 5)
const WORDS = 'I have heard you and will think about it for a while before I say more .'.split(' ')

type Ground = Awaited<ReturnType<typeof open>>

const ground = await open()
try {
  process.exitCode = await soak(ground)
} finally {
  await close(ground)
}
// What a client keeps alive, and what waits to be looked at again, is nobody's business any more.
process.exit()

async function open() {
  return {
    workplace: await openWorkplace(),
    postgres: await startPostgres(),
    redis: await startRedis(),
    upstream: await startUpstream({ words: WORDS.map((word) => `${word} `) }),
  }
}

async function close({ workplace, postgres, redis, upstream }: Ground): Promise<void> {
  await workplace.close()
  // One that was stopped hears nothing else.
  redis.signal('SIGCONT')
  await Promise.all([postgres.close(), redis.kill(), upstream.close()])
}

async function startInstances(ground: Ground): Promise<[Instance, Instance]> {
  const { workplace, postgres, redis, upstream } = ground
  const keysFile = join(workplace.directory, 'keys.json')
  await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
  const env = {
    DATABASE_URL: await createDatabase(postgres.url, 'parley'),
    REDIS_URL: redis.url,
    SIGNING_KEYS_FILE: keysFile,
    SERVER_SECRET: newServerSecret(),
    CHAT_UPSTREAM_URL: upstream.url,
    REGISTRATION: 'open',
    // What it writes is kept in the memory of this process.
    LOG_LEVEL: 'warn',
    RATE_LIMIT_SIGN_IN_ADDRESS: '1000000/60',
    RATE_LIMIT_SIGN_IN_ACCOUNT: '1000000/60',
  }
  const start = async () => createInstance(workplace, { ...env, PORT: String(await freePort()) })
  return [await start(), await start()]
}

/** @returns what this process ends with: 0 if nothing is unexplained and nothing lost */
async function soak(ground: Ground): Promise<number> {
  const instances = await startInstances(ground)
  const diary = createDiary()
  const users: User[] = Array.from({ length: Number(values.users) }, () =>
    createUser(`${randomUUID()}@example.com`, instances, diary),
  )
  const over = new AbortController()
  const running = users.map((user) => user.live(over.signal))
  const reporting = report(instances, diary, over.signal)

  await pause(QUIET_MINUTES * MINUTE_MS)
  const acts = disturbances({ ...ground, instances })
  const gapMs = ((minutes - 2 * QUIET_MINUTES) * MINUTE_MS) / acts.length
  for (const { what, explains, act } of acts) {
    const begunMs = performance.now()
    await diary.disturb(what, explains, act)
    await pause(Math.max(0, gapMs - (performance.now() - begunMs)))
  }
  await pause(QUIET_MINUTES * MINUTE_MS)
  over.abort()
  await Promise.all(running)
  await reporting
  const lost = (await Promise.all(users.map((user) => user.missing()))).flat()
  console.log(diary.summary())
  console.log(`Acknowledged messages: ${users.reduce((sum, { said }) => sum + said().length, 0)}`)
  for (const loss of lost) console.error(`LOST ${loss}`)
  return lost.length === 0 && diary.unexplained() === 0 ? 0 : 1
}

/** A line a minute: what was done, and what each instance holds. */
async function report(
  instances: readonly Instance[],
  diary: Diary,
  over: AbortSignal,
): Promise<void> {
  const beginMs = performance.now()
  while (!over.aborted) {
    await pause(MINUTE_MS, undefined, { signal: over }).catch(() => undefined)
    const held = await Promise.all(instances.map((instance) => instance.held()))
    const minute = ((performance.now() - beginMs) / MINUTE_MS).toFixed(0).padStart(3)
    console.log(`${minute} min  ${diary.counts()}  ${held.join('  ')}`)
  }
}
