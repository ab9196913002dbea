import { PASSWORD, type Owner } from './database.ts'
import type { Closed, Generator, Paced } from './generator.ts'
import { type Call, MIX, operationsOf, type Person, stir } from './operations.ts'
import type { Running } from './servers.ts'
import { type Latency, latencyOf } from './statistics.ts'

/** How fast Parley alone answers at half of what it can take. */
export type Latencies = {
  /** Answers a second at full load: of the mix with chat, and of logins. */
  saturation: { mix: number; logins: number }
  /** Milliseconds, by operation; of a stream until its first event. */
  byOperation: Record<string, Latency>
}

/** The mix, and of 18 calls two that make an answer. */
const WITH_CHAT = { ...MIX, chat: 2 } as const
const CALLS_OF_MIX = Object.values(WITH_CHAT).reduce((sum, share) => sum + share, 0)
/** A third at once from one address would be slowed down like one that follows two failures. */
const LOGIN_CONNECTIONS = 2

/** Chats and streams are asked for by people who have logged in. */
export async function measureLatency(
  generator: Generator,
  { origin }: Running,
  owners: readonly Owner[],
  effort: { seconds: number; connections: number; pacedSeconds: number },
): Promise<Latencies> {
  const { seconds, connections, pacedSeconds } = effort
  const people: Person[] = []
  for (const owner of owners) people.push({ ...owner, token: await logIn(origin, owner) })
  const all = operationsOf(people)
  const calls = stir(all, WITH_CHAT)
  const full = { kind: 'closed', origin, seconds: 2 * seconds } as const
  const mix = perSecond(await generator.run({ ...full, calls, connections }))
  const half = mix / 2 / CALLS_OF_MIX
  const lanes = Object.entries({ ...WITH_CHAT, chat: 1, stream: 1 }).map(([name, share]) => ({
    name,
    calls: all[name]!.calls,
    perSecond: half * share,
    until: name === 'stream' ? ('first-frame' as const) : ('answered' as const),
  }))
  const paced = await generator.run({ kind: 'paced', origin, seconds: pacedSeconds, lanes })

  const tries = owners.map(loginOf)
  const atOnce = { calls: tries, connections: LOGIN_CONNECTIONS }
  const logins = perSecond(await generator.run({ ...full, ...atOnce }))
  const lane = { name: 'login', calls: tries, perSecond: logins / 2, until: 'answered' as const }
  const alone = await generator.run({
    ...{ kind: 'paced', origin, seconds: pacedSeconds },
    lanes: [lane],
  })
  return { saturation: { mix, logins }, byOperation: latenciesOf({ ...paced, ...alone }) }
}

function perSecond({ answered, failed, seconds }: Closed): number {
  if (failed > 0) throw new Error(`parley failed ${failed} calls`)
  return answered / seconds
}

function latenciesOf(paced: Paced): Record<string, Latency> {
  const entries = Object.entries(paced).map(([name, { latencies, failed }]) => {
    if (failed > 0) throw new Error(`parley failed ${failed} paced calls of ${name}`)
    return [name, latencyOf(latencies)] as const
  })
  return Object.fromEntries(entries)
}

function loginOf({ email }: Owner): Call {
  return {
    method: 'POST',
    path: '/api/v1/auth/login',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  }
}

/** @returns an access token */
export async function logIn(origin: string, owner: Owner): Promise<string> {
  const { method, path, headers, body } = loginOf(owner)
  const response = await fetch(`${origin}${path}`, { method, headers, body: body! })
  const { accessToken } = (await response.json()) as { accessToken?: string }
  if (accessToken === undefined) throw new Error(`A login was refused: ${response.status}`)
  return accessToken
}
