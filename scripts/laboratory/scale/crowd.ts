/** The process that opens streams, keeps them open, and measures the latency of other calls meanwhile. */
import { Agent, request, type ClientRequest } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { answerQuestions } from '../bench/worker.ts'

/** A request to open more streams and keep them, or to measure other calls. */
export type CrowdQuestion = {
  origin: string
  tokens: readonly string[]
} & ({ open: number } | { tries: number })
/** Milliseconds of each call. */
export type Tried = { firstEvents: number[]; profiles: number[] }
export type Opened = { seconds: number }

/** More concurrent starts would only wait for two cores. */
const AT_ONCE = 16
const PROFILES_OF_A_TRY = 4
const GAP_MS = 10
const LONGEST_WAIT_MS = 60_000
const keptAlive = new Agent({ keepAlive: true, maxSockets: 1 })
const alone = new Agent({ keepAlive: false })
const kept: ClientRequest[] = []
let turn = 0

answerQuestions((question: CrowdQuestion) =>
  'open' in question ? openMany(question) : tryOut(question),
)

async function openMany(question: CrowdQuestion & { open: number }): Promise<Opened> {
  const startedAtMs = performance.now()
  let left = question.open
  const openInTurn = async () => {
    while (left > 0) {
      left -= 1
      kept.push((await openStream(question)).stream)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, openInTurn))
  return { seconds: (performance.now() - startedAtMs) / 1_000 }
}

async function tryOut(question: CrowdQuestion & { tries: number }): Promise<Tried> {
  const tried: Tried = { firstEvents: [], profiles: [] }
  for (let i = 0; i < question.tries; i += 1) {
    const { stream, milliseconds } = await openStream(question, { onDisconnect: 'cancel' })
    tried.firstEvents.push(milliseconds)
    stream.destroy()
    for (let j = 0; j < PROFILES_OF_A_TRY; j += 1) tried.profiles.push(await readProfile(question))
    await pause(GAP_MS)
  }
  return tried
}

/** Starts an answer in a new conversation; resolves at its first event. */
function openStream({ origin, tokens }: CrowdQuestion, more = {}) {
  const startedAtMs = performance.now()
  const body = JSON.stringify({ message: 'Hello', ...more })
  const authorization = `Bearer ${tokens[(turn += 1) % tokens.length]!}`
  const headers = { authorization, 'content-type': 'application/json' }
  return new Promise<{ stream: ClientRequest; milliseconds: number }>((resolve, reject) => {
    const stream = request(`${origin}/api/v1/chat/stream`, {
      method: 'POST',
      agent: alone,
      headers,
    })
    stream.setTimeout(LONGEST_WAIT_MS, () =>
      stream.destroy(new Error('Nothing came for a minute.')),
    )
    stream.on('error', reject)
    stream.on('response', (response) => {
      let said = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        if (said.length < 1_000) said += chunk
        if (response.statusCode === 200 && said.includes('event:'))
          resolve({ stream, milliseconds: performance.now() - startedAtMs })
      })
      // A stream that is kept open ends when the server stops; the promise is settled by then.
      response.on('error', reject).on('end', () => {
        reject(new Error(`A stream ended: ${response.statusCode} ${said}`))
      })
    })
    stream.end(body)
  })
}

function readProfile({ origin, tokens }: CrowdQuestion): Promise<number> {
  const startedAtMs = performance.now()
  const headers = { authorization: `Bearer ${tokens[(turn += 1) % tokens.length]!}` }
  return new Promise((resolve, reject) => {
    const call = request(`${origin}/api/v1/users/profile`, { agent: keptAlive, headers })
    call.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - startedAtMs)
        else reject(new Error(`profile: ${response.statusCode}`))
      })
    })
    call.end()
  })
}
