/** What an engine, a pool or a queue has to do at the moment. */
export interface Readings {
  /** Streams that are open on this instance, resumed ones too. */
  streamsOpen(): number
  /** Answers that this instance is making, whether or not anyone reads them. */
  generationsRunning(): number
  /** Passwords that are being hashed, and that wait for their turn. */
  hashes(): { running: number; waiting: number }
  /** Connections to PostgreSQL; undefined with the embedded database, which has none. */
  connections(): Connections | undefined
}

/** All that a count may be told apart by. */
export type CountedNames = {
  operations: readonly string[]
  limits: readonly string[]
  engineFailures: readonly string[]
}

/** A pool of connections, and who waits for one. */
export type Connections = { idle: number; busy: number; waiting: number; most: number }

/**
 * Counts what the server does, for whoever watches it. What tells counts apart is always one of a
 * few names that the contract knows: never an id, an address or anything that a caller wrote.
 */
export interface Meter {
  /**
   * The head of an answer goes out.
   * @param operationId undefined for what is no operation: the docs, an unknown path
   * @param seconds since the request came
   */
  answered(operationId: string | undefined, status: number, seconds: number): void
  /** The first event of a stream goes out. @param seconds since the request came */
  firstFrame(operationId: string | undefined, seconds: number): void
  /** An answer was refused because this limit is spent. */
  limited(policy: string): void
  /** Something that is no answer of the contract was about to go out, or did. */
  violated(operationId: string | undefined): void
  /** The engine gave no answer, or no whole one. */
  engineFailed(code: string): void
  /** Where to look when somebody asks for what is open, running or waiting. */
  watch(readings: Readings): void
  /** What may happen, so that it is shown as 0 until it does: a count that appears has not risen. */
  expect(names: CountedNames): void
  /** All of it as text, and its media type. */
  exposition(): Promise<{ text: string; mediaType: string }>
}

/** Counts nothing, and costs nothing. */
export const noMeter: Meter = {
  answered: () => undefined,
  firstFrame: () => undefined,
  limited: () => undefined,
  violated: () => undefined,
  engineFailed: () => undefined,
  watch: () => undefined,
  expect: () => undefined,
  exposition: () => Promise.reject(new Error('Metrics are off without METRICS_PORT.')),
}
