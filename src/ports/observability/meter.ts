/** The load at this moment. */
export interface Readings {
  /** Streams that are open on this instance, including resumed ones. */
  streamsOpen(): number
  /** Answers that this instance generates, whether or not a client reads them. */
  generationsRunning(): number
  /** Passwords that are being hashed, and those that wait for their turn. */
  hashes(): { running: number; waiting: number }
  /** Connections to PostgreSQL; undefined with the embedded database. */
  connections(): Connections | undefined
}

/** All values of the labels. */
export type CountedNames = {
  operations: readonly string[]
  limits: readonly string[]
  engineFailures: readonly string[]
}

/** A pool of connections, and how many calls wait for one. */
export type Connections = { idle: number; busy: number; waiting: number; most: number }

/**
 * Counts what the server does, for operators. Labels take one of a few values that the contract
 * knows: never an id, an address or anything that a caller wrote.
 */
export interface Meter {
  /**
   * The head of a response is sent.
   * @param operationId undefined for what is no operation: the docs, an unknown path
   * @param seconds since the request came
   */
  answered(operationId: string | undefined, status: number, seconds: number): void
  /** The first event of a stream is sent. @param seconds since the request came */
  firstFrame(operationId: string | undefined, seconds: number): void
  /** A call was refused because this rate limit is exceeded. */
  limited(policy: string): void
  /** A response or event broke the contract, whether or not it was sent. */
  violated(operationId: string | undefined): void
  /** The engine gave no answer, or an incomplete one. */
  engineFailed(code: string): void
  /** Where to read the load when the metrics are read. */
  watch(readings: Readings): void
  /** Shows these counts as 0 until they rise: a count that first appears as 1 is no rise. */
  expect(names: CountedNames): void
  /** The metrics as text, and its media type. */
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
