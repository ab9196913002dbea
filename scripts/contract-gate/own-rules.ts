import type { ContractDocument } from '../../src/contract/document.ts'
import type { Change } from './changes.ts'
import { itemAt, type Served, servedBy } from './served.ts'

/*
 * Breaking changes that `redocly diff` does not detect: in `x-` keys, in names that generated code uses,
 * and in keywords that change the meaning of a call. openapi/changes.md explains each.
 */

/** Returns what a change breaks that redocly has no verdict on; undefined if nothing. */
export function breakOf(change: Change): string | undefined {
  const { kind, typeName, property, base, revision } = change
  if (kind === 'added') return addedStatus(change)
  if (kind === 'removed') return undefined
  const [from, to] = [base?.value, revision?.value]
  if (property === 'default') return `default changed from ${show(from)} to ${show(to)}`
  if (property === 'enum' && Array.isArray(from)) return lostValues(from, to)
  if (typeName === 'Header' && property === 'required' && from === true) return 'may now be missing'
  if (typeName.startsWith('Discriminator')) return `discriminator: ${show(from)} became ${show(to)}`
  if (typeName === 'Parameter' && property === 'name') {
    return `parameter ${show(from)} was renamed to ${show(to)}`
  }
  return undefined
}

/** Clients cannot handle a new success or redirect. A new failure is a problem, which they can. */
function addedStatus({ typeName, path }: Change): string | undefined {
  const status = path.split('/').at(-1)!
  return typeName === 'Response' && /^[123]/.test(status) ? `may also return ${status}` : undefined
}

/** Code that uses a generated constant no longer compiles if the value is removed, in responses too. */
function lostValues(from: unknown[], to: unknown): string | undefined {
  const lost = Array.isArray(to) ? from.filter((value) => !to.includes(value)) : []
  return lost.length > 0 ? `no longer has ${lost.map(show).join(', ')}` : undefined
}

/** Returns the promises of released operations that `document` breaks. */
export function brokenOperations(
  released: ContractDocument,
  document: ContractDocument,
): { place: string; what: string }[] {
  const known = knownCodes(released)
  return keptOperations(released, document).flatMap(([was, is]) => {
    return brokenPromises(was, is, known).map((what) => ({ place: was.place, what }))
  })
}

/** Returns the problems that released operations may return in addition: clients know their codes. */
export function addedProblems(
  released: ContractDocument,
  document: ContractDocument,
): { place: string; what: string }[] {
  const known = knownCodes(released)
  return keptOperations(released, document).flatMap(([{ operation, place }, is]) => {
    const codes = added('x-problems', operation, is.operation).filter((code) => known.has(code))
    return codes.map((code) => ({ place, what: `may also return ${code}` }))
  })
}

function knownCodes(released: ContractDocument): ReadonlySet<string> {
  return new Set(released.components.schemas['ProblemCode']?.enum ?? [])
}

/** Returns the operations that both documents have, as they were and as they are. */
function keptOperations(
  released: ContractDocument,
  document: ContractDocument,
): [Served, Served][] {
  const now = new Map(servedBy(document).map((served) => [served.place, served]))
  return servedBy(released).flatMap((was) => {
    const is = now.get(was.place)
    return is ? [[was, is] as [Served, Served]] : []
  })
}

type Operation = Served['operation']

function added(key: `x-${string}`, before: Operation, after: Operation): string[] {
  return listAt(after, key).filter((name) => !listAt(before, key).includes(name))
}

function brokenPromises(was: Served, is: Served, known: ReadonlySet<string>): string[] {
  const [before, after] = [was.operation, is.operation]
  const scopes = added('x-scopes', before, after)
  const problems = added('x-problems', before, after).filter((code) => !known.has(code))
  const isEarlier = sunsetOf(after, '9') < sunsetOf(before, '')
  const tag = after.tags?.[0]
  return [
    ...(scopes.length > 0 ? [`now needs the scope ${scopes.join(', ')}`] : []),
    ...(problems.length > 0
      ? [`returns ${problems.join(', ')}, which clients cannot know: release the code alone first`]
      : []),
    ...(before['x-idempotent'] === true && after['x-idempotent'] !== true
      ? ['no longer honours an Idempotency-Key']
      : []),
    ...(isEarlier ? [`x-sunset was brought forward: ${show(after['x-sunset'])}`] : []),
    ...(tag !== before.tags?.[0] ? [`moved to the tag ${show(tag)}`] : []),
  ]
}

/** Returns the day as text, which sorts by time; `otherwise` if there is none. */
function sunsetOf({ 'x-sunset': day }: Operation, otherwise: string): string {
  return typeof day === 'string' ? day : otherwise
}

function listAt(thing: Readonly<Record<`x-${string}`, unknown>>, key: `x-${string}`): string[] {
  const list = thing[key]
  return Array.isArray(list) ? list.map(String) : []
}

/** Returns removed servers of paths; redocly does not report the removal of a path's whole list. */
export function lostPlaces(
  released: ContractDocument,
  document: ContractDocument,
): { place: string; what: string }[] {
  return Object.entries(released.paths).flatMap(([path, { servers = [] }]) => {
    const now = itemAt(document, path)?.servers ?? document.servers
    const lost = servers.filter(({ url }) => !now.some((entry) => entry.url === url))
    return lost.map(({ url }) => ({ place: path, what: `left ${url} before its x-sunset` }))
  })
}

/** Returns the names of removed or renamed schemas that generated code uses. */
export function lostSchemas(released: ContractDocument, document: ContractDocument): string[] {
  const used = componentsUsedBy(released)
  return Object.keys(released.components.schemas).filter((name) => {
    return used.has(`schemas/${name}`) && !(name in document.components.schemas)
  })
}

const REFERENCE = /"#\/components\/(\w+)\/([\w.-]+)"/g

/** Returns names such as `schemas/Thing` of the components that operations use, directly or indirectly. */
function componentsUsedBy({ paths, components }: ContractDocument): Set<string> {
  const sections = components as Record<string, Record<string, unknown> | undefined>
  const used = new Set<string>()
  const pending: unknown[] = [paths]
  while (pending.length > 0) {
    for (const [, section, name] of JSON.stringify(pending.pop()).matchAll(REFERENCE)) {
      if (used.has(`${section!}/${name!}`)) continue
      used.add(`${section!}/${name!}`)
      pending.push(sections[section!]?.[name!] ?? null)
    }
  }
  return used
}

function show(value: unknown): string {
  return value === undefined ? 'left out' : JSON.stringify(value)
}
