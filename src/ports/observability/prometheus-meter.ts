import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Meter, Readings } from './meter.ts'

/** Stands for the operation of what is no operation. */
const NO_OPERATION = 'none'

/** Seconds: from a cached response to one that waited for a connection and a statement. */
const ANSWER_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds: a model needs time for its first word; after 10 s the stream begins without it. */
const FIRST_FRAME_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15]

/** Counts in a registry of its own, so that two servers in a process do not mix. */
export function createPrometheusMeter(): Meter {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'parley_' })
  return {
    ...responseMetrics(registers),
    ...failureMetrics(registers),
    watch: (readings) => {
      watchLoad(readings, registers)
      watchConnections(readings, registers)
    },
    exposition: async () => ({
      text: await registry.metrics(),
      mediaType: registry.contentType,
    }),
  }
}

function responseMetrics(registers: Registry[]): Pick<Meter, 'answered' | 'firstFrame'> {
  const requests = new Counter({
    name: 'parley_http_requests_total',
    help: 'Responses, by operation and status.',
    labelNames: ['operation', 'status'] as const,
    registers,
  })
  const durations = new Histogram({
    name: 'parley_http_request_duration_seconds',
    help: 'Time from the request to the head of its response.',
    labelNames: ['operation'] as const,
    buckets: ANSWER_BUCKETS,
    registers,
  })
  const firstFrames = new Histogram({
    name: 'parley_stream_first_frame_seconds',
    help: 'Time from the request to the first event of its stream.',
    labelNames: ['operation'] as const,
    buckets: FIRST_FRAME_BUCKETS,
    registers,
  })
  return {
    answered(operation = NO_OPERATION, status, seconds) {
      requests.inc({ operation, status })
      durations.observe({ operation }, seconds)
    },
    firstFrame(operation = NO_OPERATION, seconds) {
      firstFrames.observe({ operation }, seconds)
    },
  }
}

function failureMetrics(
  registers: Registry[],
): Pick<Meter, 'limited' | 'violated' | 'engineFailed' | 'expect'> {
  const refusals = new Counter({
    name: 'parley_limit_refusals_total',
    help: 'Responses with 429, by the rate limit that was exceeded.',
    labelNames: ['policy'] as const,
    registers,
  })
  const violations = new Counter({
    name: 'parley_contract_violations_total',
    help: 'Responses and events that violated the contract: always a bug in the server.',
    labelNames: ['operation'] as const,
    registers,
  })
  const engineFailures = new Counter({
    name: 'parley_engine_failures_total',
    help: 'Answers that the engine did not give, or did not complete.',
    labelNames: ['code'] as const,
    registers,
  })
  return {
    limited: (policy) => refusals.inc({ policy }),
    violated: (operation = NO_OPERATION) => violations.inc({ operation }),
    engineFailed: (code) => engineFailures.inc({ code }),
    expect(names) {
      for (const operation of [...names.operations, NO_OPERATION]) violations.inc({ operation }, 0)
      for (const policy of names.limits) refusals.inc({ policy }, 0)
      for (const code of names.engineFailures) engineFailures.inc({ code }, 0)
    },
  }
}

/** Gauges that are read when they are scraped: in between they cost nothing. */
function watchLoad(readings: Readings, registers: Registry[]): void {
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read()
        if (value === undefined) this.remove()
        else this.set(value)
      },
    })
  gauge('parley_streams_open', 'Open streams.', () => readings.streamsOpen())
  gauge('parley_generations_running', 'Answers in progress.', () => readings.generationsRunning())
  gauge(
    'parley_hashes_running',
    'Passwords that are being hashed.',
    () => readings.hashes().running,
  )
  gauge(
    'parley_hashes_waiting',
    'Passwords that are waiting to be hashed.',
    () => readings.hashes().waiting,
  )
  gauge(
    'parley_database_connections_max',
    'Maximum number of connections to PostgreSQL.',
    () => readings.connections()?.most,
  )
  gauge(
    'parley_database_waiting',
    'Calls that are waiting for a connection to PostgreSQL.',
    () => readings.connections()?.waiting,
  )
}

function watchConnections(readings: Readings, registers: Registry[]): void {
  new Gauge({
    name: 'parley_database_connections',
    help: 'Connections to PostgreSQL.',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const now = readings.connections()
      if (!now) return
      this.set({ state: 'idle' }, now.idle)
      this.set({ state: 'busy' }, now.busy)
    },
  })
}
