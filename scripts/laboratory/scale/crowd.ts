/** The crowd's process: it opens streams that stay open, and measures what others then wait for. */
import { Agent, request, type ClientRequest } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { answerQuestions } from '../bench/worker.ts'

/** What a crowd is asked: to open more streams and keep them, or to try how it is meanwhile. */
export type CrowdQuestion = {
  origin: string
  tokens: readonly string[]
} & ({ open: number } | { tries: number })
/** Milliseconds of each. */
export type Tried = { firstEvents: number[]; profiles: number[] }
export type Opened = { seconds: number }

/** More at once than two cores have work for would only wait for each other. */
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
  const begun = performance.now()
  let left = question.open
  const openInTurn = async () => {
    while (left > 0) {
      left -= 1
      kept.push((await openStream(question)).stream)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, openInTurn))
  return { seconds: (performance.now() - begun) / 1_000 }
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

/** Starts a conversation. @returns once its first event is there */
function openStream({ origin, tokens }: CrowdQuestion, more = {}) {
  const begun = performance.now()
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
          resolve({ stream, milliseconds: performance.now() - begun })
      })
      // One that is kept may end with the server.
      response.on('error', reject).on('end', () => {
        reject(new Error(`A stream ended: ${response.statusCode} ${said}`))
      })
    })
    stream.end(body)
  })
}

function readProfile({ origin, tokens }: CrowdQuestion): Promise<number> {
  const begun = performance.now()
  const headers = { authorization: `Bearer ${tokens[(turn += 1) % tokens.length]!}` }
  return new Promise((resolve, reject) => {
    const call = request(`${origin}/api/v1/users/profile`, { agent: keptAlive, headers })
    call.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - begun)
        else reject(new Error(`profile: ${response.statusCode}`))
      })
    })
    call.end()
  })
}
