/** The process of the generator: receives loads and sends their results. */
import autocannon from 'autocannon'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Closed, ClosedLoad, Load, Paced, PacedLoad } from './generator.ts'
import type { Call } from './operations.ts'
import { answerQuestions } from './worker.ts'

/** The time limit of a load. */
const LONGEST_MS = 60_000
/**
 * Paced calls come from this many addresses, from 127.0.0.2 on: Parley delays concurrent logins from one
 * address, even successful ones.
 */
const ADDRESSES = 16
const CONNECTIONS_OF_ADDRESS = 8

answerQuestions((load: Load) => (load.kind === 'closed' ? runClosed(load) : runPaced(load)))

/** Waits for the response to every call, so that all of the processor time is measured. */
async function runClosed(load: ClosedLoad): Promise<Closed> {
  const { origin, calls, connections, amount, seconds } = load
  const latencies: number[] = []
  const startedAtMs = performance.now()
  let ended = startedAtMs
  const options = {
    url: origin,
    connections,
    requests: calls as autocannon.Request[],
    ...(amount === undefined ? { duration: seconds ?? 1 } : { amount }),
    // The interval in ms at which autocannon checks whether the load has ended.
    sampleInt: 50,
  }
  const rest = load.staysAwake ? stayAwake() : () => undefined
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(options, (error: unknown, done) => {
      clearTimeout(late)
      if (error) reject(error instanceof Error ? error : new Error('autocannon failed'))
      else resolve(done)
    })
    const late = setTimeout(() => run.stop(), LONGEST_MS)
    run.on('response', (_client, _status, _bytes, milliseconds) => {
      latencies.push(milliseconds)
      ended = performance.now()
    })
  })
  rest()
  return {
    answered: latencies.length,
    failed: result.non2xx + result.errors,
    seconds: (ended - startedAtMs) / 1000,
    latencies,
  }
}

/** Keeps the event loop busy until the returned function is called. */
function stayAwake(): () => void {
  let isOver = false
  const turn = () => {
    if (!isOver) setImmediate(turn)
  }
  turn()
  return () => {
    isOver = true
  }
}

/**
 * Each lane sends its calls at even intervals, independently of the others. Latency is measured from the
 * time at which a call was due, so that a server that stalls does not get fewer calls to be measured by.
 */
async function runPaced({ origin, seconds, lanes }: PacedLoad): Promise<Paced> {
  const pools = Array.from({ length: ADDRESSES }, (_, i) => {
    const from = { localAddress: `127.0.0.${i + 2}` }
    return new Pool(origin, { connections: CONNECTIONS_OF_ADDRESS, pipelining: 1, ...from })
  })
  const paced: Paced = {}
  const due = lanes.flatMap(({ name, calls, perSecond, until }, lane) => {
    paced[name] = { latencies: [], failed: 0 }
    const phase = (lane + 0.5) / lanes.length
    return Array.from({ length: Math.floor(seconds * perSecond) }, (_, i) => ({
      at: ((i + phase) / perSecond) * 1000,
      call: calls[i % calls.length]!,
      pool: pools[i % ADDRESSES]!,
      send: until === 'answered' ? answered : firstFrame,
      into: paced[name]!,
    }))
  })
  due.sort((a, b) => a.at - b.at)
  const startedAtMs = performance.now()
  const running: Promise<void>[] = []
  for (const { at, call, pool, send, into } of due) {
    const early = at - (performance.now() - startedAtMs)
    if (early > 0) await pause(early)
    const taken = send(pool, call).then(
      (over) => void into.latencies.push(over - startedAtMs - at),
      () => void (into.failed += 1),
    )
    running.push(taken)
  }
  await Promise.race([Promise.all(running), pause(LONGEST_MS, undefined, { ref: false })])
  await Promise.all(pools.map((pool) => pool.destroy()))
  return paced
}

/** Returns when the response was complete, on the monotonic clock. */
async function answered(pool: Pool, call: Call): Promise<number> {
  const { statusCode, body } = await request(pool, call)
  await body.dump({ limit: 1_000_000 })
  if (statusCode >= 300) throw new Error(`status ${statusCode}`)
  return performance.now()
}

/** Returns when the first event of a stream arrived; reads the rest too. */
async function firstFrame(pool: Pool, call: Call): Promise<number> {
  const { statusCode, body } = await request(pool, call)
  let first: number | undefined
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (chunk.includes('event:')) first ??= performance.now()
  }
  if (statusCode !== 200 || first === undefined) throw new Error(`status ${statusCode}`)
  return first
}

function request(pool: Pool, { method, path, headers, body }: Call) {
  return pool.request({ method, path, headers, ...(body !== undefined && { body }) })
}
