import { PASSWORD, type Owner } from './database.ts'
import type { Closed, ClosedLoad, Generator, Paced, PacedLoad } from './generator.ts'
import { type Call, MIX, operationsOf, type Person, stir } from './operations.ts'
import type { Running } from './servers.ts'
import { type Latency, latencyOf, spreadOf } from './statistics.ts'

/** The latency of Parley alone at half of its saturation. */
export type Latencies = {
  /** Responses a second at full load: of the mix with chat, and of logins. */
  saturation: { mix: number; logins: number }
  /** Milliseconds, by operation; for a stream, until its first event. */
  byOperation: Record<string, Latency>
}

/** The mix plus two chat calls: 18 calls. */
const WITH_CHAT = { ...MIX, chat: 2 } as const
const CALLS_OF_MIX = Object.values(WITH_CHAT).reduce((sum, share) => sum + share, 0)
/** A third concurrent login from one address would be delayed, like a login after two failures. */
const LOGIN_CONNECTIONS = 2

/** The speed of the machine varies, so each paced load is half of a saturation measured just before. */
const TURNS = 4

type Lane = PacedLoad['lanes'][number]

/** Chats and streams are called with tokens from logins. */
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
  const full = { kind: 'closed', origin, seconds } as const

  const mixLanes = (half: number): Lane[] =>
    Object.entries({ ...WITH_CHAT, chat: 1, stream: 1 }).map(([name, share]) => ({
      name,
      calls: all[name]!.calls,
      perSecond: (half * share) / CALLS_OF_MIX,
      until: name === 'stream' ? ('first-frame' as const) : ('answered' as const),
    }))
  const tries = owners.map(loginOf)
  const loginLanes = (half: number): Lane[] => [
    { name: 'login', calls: tries, perSecond: half, until: 'answered' },
  ]

  const mixed = { ...full, calls: stir(all, WITH_CHAT), connections }
  const mix = await atHalf(generator, mixed, mixLanes, pacedSeconds)
  const loggingIn = { ...full, calls: tries, connections: LOGIN_CONNECTIONS }
  const logins = await atHalf(generator, loggingIn, loginLanes, pacedSeconds)
  return {
    saturation: { mix: mix.saturation, logins: logins.saturation },
    byOperation: latenciesOf({ ...mix.paced, ...logins.paced }),
  }
}

/** @param lanesOf returns the lanes for this many calls a second */
async function atHalf(
  generator: Generator,
  full: ClosedLoad,
  lanesOf: (perSecond: number) => Lane[],
  pacedSeconds: number,
): Promise<{ saturation: number; paced: Paced }> {
  const saturations: number[] = []
  const paced: Paced = {}
  for (let turn = 0; turn < TURNS; turn += 1) {
    const saturation = perSecond(await generator.run(full))
    saturations.push(saturation)
    const { origin } = full
    const seconds = pacedSeconds / TURNS
    const lanes = lanesOf(saturation / 2)
    const measured = await generator.run({ kind: 'paced', origin, seconds, lanes })
    for (const [name, { latencies, failed }] of Object.entries(measured)) {
      const lane = (paced[name] ??= { latencies: [], failed: 0 })
      lane.latencies.push(...latencies)
      lane.failed += failed
    }
  }
  return { saturation: spreadOf(saturations).median, paced }
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
