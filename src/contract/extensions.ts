import type { ContractDocument, OperationObject, ServerEntry } from './document.ts'

/*
 * The x- keys of the contract, one reader for each kind. openapi/extensions.md explains them to
 * those who write the contract.
 */

/** Who a limit counts: an address, a signed-in principal, or an account as tried from one address. */
export type LimitSubject = 'address' | 'principal' | 'account-and-address'

/** A limit of the root's `x-rate-limits`: `quota` calls in a fixed window of `windowSeconds`. */
export type LimitPolicy = {
  name: string
  quota: number
  windowSeconds: number
  per: LimitSubject
  /** Every call counts, or only those that show a secret which is wrong. */
  counts: 'calls' | 'failures'
}

/** Since when something is deprecated, and on which day it goes away (both 00:00 UTC). */
export type Deprecation = { since: Date; sunset: Date }

/** A mistake in the contract, with its place as a JSON Pointer. It stops the start. */
export class ContractMistake extends Error {
  constructor(place: string, problem: string) {
    super(`openapi/api.yaml ${place}: ${problem}`)
    this.name = 'ContractMistake'
  }
}

type DeclaredLimit = Omit<LimitPolicy, 'name' | 'counts'> & Partial<Pick<LimitPolicy, 'counts'>>

const LIMIT_SUBJECTS: readonly string[] = ['address', 'principal', 'account-and-address']

/** The root's `x-rate-limits`. @throws {ContractMistake} */
export function parseLimits(document: ContractDocument): Record<string, LimitPolicy> {
  const declared = (document['x-rate-limits'] ?? {}) as Record<string, DeclaredLimit>
  const entries = Object.entries(declared).map(([name, limit]): [string, LimitPolicy] => {
    const place = `#/x-rate-limits/${name}`
    if (!/^[a-z]+(-[a-z]+)*$/.test(name)) throw new ContractMistake(place, 'is no kebab-case name')
    for (const key of ['quota', 'windowSeconds'] as const) {
      if (Number.isSafeInteger(limit[key]) && limit[key] > 0) continue
      throw new ContractMistake(`${place}/${key}`, 'must be a positive integer')
    }
    if (!LIMIT_SUBJECTS.includes(limit.per)) {
      throw new ContractMistake(`${place}/per`, `must be one of ${LIMIT_SUBJECTS.join(', ')}`)
    }
    const { quota, windowSeconds, per, counts = 'calls' } = limit
    if (!['calls', 'failures'].includes(counts)) {
      throw new ContractMistake(`${place}/counts`, 'must be calls or failures')
    }
    return [name, { name, quota, windowSeconds, per, counts }]
  })
  return Object.fromEntries(entries)
}

/** A list of known words under an `x-` key; none where the key is missing. @throws {ContractMistake} */
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

/** Since when a thing is deprecated, if it is. @throws {ContractMistake} */
export function deprecationOf(
  thing: OperationObject | ServerEntry,
  place: string,
): Deprecation | undefined {
  const since = thing['x-deprecated-since']
  const sunset = thing['x-sunset']
  const deprecated = 'deprecated' in thing && thing.deprecated
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

/** @throws {ContractMistake} for an `x-` key that nobody interprets */
export function refuseUnknownKeys(thing: object, known: readonly string[], place: string): void {
  for (const key of Object.keys(thing)) {
    if (!key.startsWith('x-') || known.includes(key)) continue
    throw new ContractMistake(`${place}/${key}`, 'is an unknown extension')
  }
}
