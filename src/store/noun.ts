import type { Client } from './database/query.ts'

/** What can be done with one noun: functions that take the client first. */
type Verbs = Record<string, (client: Client, ...given: never[]) => Promise<unknown>>

/** The verbs for one client, which they no longer ask for. */
export type Noun<T extends Verbs> = {
  [Verb in keyof T]: T[Verb] extends (client: Client, ...given: infer Given) => infer Result
    ? (...given: Given) => Result
    : never
}

/** A plain object: {@link guarded} and the tracing wrap its own functions. */
export function nounOf<T extends Verbs>(client: Client, verbs: T): Noun<T> {
  const entries = Object.entries(verbs).map(([name, verb]) => [
    name,
    (...given: never[]) => verb(client, ...given),
  ])
  return Object.fromEntries(entries) as Noun<T>
}
