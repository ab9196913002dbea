import type { ContractDocument, OperationObject, ServerEntry } from './document.ts'

/*
 * Readers for the kinds of x- keys in the contract. openapi/extensions.md explains each key to the
 * authors of the contract.
 */

/** What a limit counts by: an address, a principal, or an account as tried from one address. */
export type LimitSubject = 'address' | 'principal' | 'account-and-address'

/** A limit of the root's `x-rate-limits`: `quota` calls in a fixed window of `windowSeconds`. */
export type LimitPolicy = {
  name: string
  quota: number
  windowSeconds: number
  per: LimitSubject
  /** Every call, or only calls with a wrong secret. */
  counts: 'calls' | 'failures'
}

/** Since when something is deprecated, and on which day it is removed (both 00:00 UTC). */
export type Deprecation = { since: Date; sunset: Date }

/** A mistake in the contract, with its place as a JSON Pointer. The server does not start. */
export class ContractMistake extends Error {
  constructor(place: string, problem: string) {
    super(`openapi/api.yaml ${place}: ${problem}`)
    this.name = 'ContractMistake'
  }
}

type DeclaredLimit = Omit<LimitPolicy, 'name' | 'counts'> & Partial<Pick<LimitPolicy, 'counts'>>

const LIMIT_SUBJECTS: readonly string[] = ['address', 'principal', 'account-and-address']

/** The root's `x-rate-limits`, by name. @throws {ContractMistake} */
export function parseLimits(document: ContractDocument): Record<string, LimitPolicy> {
  const declared = (document['x-rate-limits'] ?? {}) as Record<string, DeclaredLimit>
  const entries = Object.entries(declared).map(([name, limit]) => [name, parseLimit(name, limit)])
  return Object.fromEntries(entries) as Record<string, LimitPolicy>
}

function parseLimit(
  name: string,
  { quota, windowSeconds, per, counts = 'calls' }: DeclaredLimit,
): LimitPolicy {
  const place = `#/x-rate-limits/${name}`
  if (!/^[a-z]+(-[a-z]+)*$/.test(name)) throw new ContractMistake(place, 'is no kebab-case name')
  for (const [key, value] of Object.entries({ quota, windowSeconds })) {
    if (Number.isSafeInteger(value) && value > 0) continue
    throw new ContractMistake(`${place}/${key}`, 'must be a positive integer')
  }
  if (!LIMIT_SUBJECTS.includes(per)) {
    throw new ContractMistake(`${place}/per`, `must be one of ${LIMIT_SUBJECTS.join(', ')}`)
  }
  if (!['calls', 'failures'].includes(counts)) {
    throw new ContractMistake(`${place}/counts`, 'must be calls or failures')
  }
  return { name, quota, windowSeconds, per, counts }
}

/** The list of known words under an `x-` key; empty if the key is missing. @throws {ContractMistake} */
export function listOf(
  operation: OperationObject,
  key: `x-${string}`,
  known: readonly string[],
  place: string,
): string[] {
  const list = operation[key] ?? []
  if (!Array.isArray(list)) throw new ContractMistake(`${place}/${key}`, 'must be a list')
  for (const entry of list as unknown[]) {
    if (typeof entry === 'string' && known.includes(entry)) continue
    throw new ContractMistake(`${place}/${key}`, `${JSON.stringify(entry)} is not known`)
  }
  return list as string[]
}

/** The deprecation of an operation or a server, if it has one. @throws {ContractMistake} */
export function deprecationOf(
  subject: OperationObject | ServerEntry,
  place: string,
): Deprecation | undefined {
  const since = subject['x-deprecated-since']
  const sunset = subject['x-sunset']
  const deprecated = 'deprecated' in subject && subject.deprecated
  if (since === undefined && sunset === undefined && !deprecated) return undefined
  if (typeof since !== 'string' || typeof sunset !== 'string') {
    throw new ContractMistake(place, 'is deprecated and must say x-deprecated-since and x-sunset')
  }
  const dates = { since: new Date(since), sunset: new Date(sunset) }
  if (!(dates.since.getTime() < dates.sunset.getTime())) {
    throw new ContractMistake(place, 'x-sunset must be a day after x-deprecated-since')
  }
  return dates
}

/** @throws {ContractMistake} for an `x-` key that the server does not interpret */
export function refuseUnknownKeys(subject: object, known: readonly string[], place: string): void {
  for (const key of Object.keys(subject)) {
    if (!key.startsWith('x-') || known.includes(key)) continue
    throw new ContractMistake(`${place}/${key}`, 'is an unknown extension')
  }
}
