import type { ContractDocument } from '../../src/contract/document.ts'
import { type Change, changesBetween } from './changes.ts'
import { addedProblems, breakOf, brokenOperations, lostPlaces, lostSchemas } from './own-rules.ts'
import { comparable, goneFrom, mayGo, type Served, withSecurity } from './served.ts'

/** One change: a readable place, and what changed there. */
export type Difference = { place: string; what: string }

/** The effect of a document on clients of the released one. */
export type Comparison = {
  /** Changes that break clients. */
  breaks: Difference[]
  /** Additions, and removals after their `x-sunset`: a minor version. */
  additions: Difference[]
  /** The number of changes to texts and examples: a patch version. */
  texts: number
}

/** Properties that no code depends on. */
const WORDS = ['description', 'summary', 'title', 'example']
const WORD_TYPES = ['Example', 'ExamplesMap', 'Tag', 'TagList', 'Info', 'License', 'Contact']

/**
 * Compares a document with the released one.
 * @param today an operation may be removed if its `x-sunset` is not after this day
 * @throws if the documents cannot be compared
 */
export async function compare(
  released: ContractDocument,
  document: ContractDocument,
  today: Date,
): Promise<Comparison> {
  const base = comparable(released, document, today)
  const changes = await changesBetween(withSecurity(base), withSecurity(document))
  const gone = goneFrom(released, document)
  const onItsDay = gone.filter(({ operation }) => mayGo(operation, today))
  const breaks = [
    ...gone.filter((one) => !onItsDay.includes(one)).map(goneTooEarly),
    ...brokenOperations(base, document),
    ...lostPlaces(base, document),
    ...lostNames(base, document),
    ...changes.flatMap((change) => breaksOf(change, base)),
  ]
  const harmless = changes.filter((change) => breaksOf(change, base).length === 0)
  const additions = harmless.filter((change) => !isWording(change)).map(differenceOf)
  return {
    breaks,
    additions: [...onItsDay.map(goneOnItsDay), ...addedProblems(base, document), ...additions],
    texts: harmless.filter(isWording).length,
  }
}

function lostNames(released: ContractDocument, document: ContractDocument): Difference[] {
  const lost = lostSchemas(released, document)
  return lost.map((name) => ({ place: `schema ${name}`, what: 'was removed or renamed' }))
}

function goneTooEarly({ place, operation }: Served): Difference {
  const sunset = operation['x-sunset']
  const day = typeof sunset === 'string' ? `before its x-sunset, ${sunset}` : 'without an x-sunset'
  return { place, what: `was removed ${day}` }
}

function goneOnItsDay({ place, operation }: Served): Difference {
  return { place, what: `was removed, as announced for ${String(operation['x-sunset'])}` }
}

/** Returns Redocly's verdicts; if it has none, those of our own rules. */
function breaksOf(change: Change, released: ContractDocument): Difference[] {
  const place = placeOf(change)
  const verdicts = change.verdicts.filter(({ ruleId }) => !isGrowth(ruleId, change, released))
  if (verdicts.length > 0) return verdicts.map(({ message }) => ({ place, what: message }))
  const own = breakOf(change)
  return own === undefined ? [] : [{ place, what: own }]
}

/** A list that was released with `x-grows` may get new values: openapi/changes.md. */
function isGrowth(ruleId: string, change: Change, released: ContractDocument): boolean {
  if (ruleId !== 'enum-values-added' || change.base === undefined) return false
  const name = /^#\/components\/schemas\/([^/]+)\/enum$/.exec(change.base.pointer)?.[1]
  return name !== undefined && released.components.schemas[name]?.['x-grows'] === true
}

function isWording({ typeName, property, path }: Change): boolean {
  if (WORD_TYPES.includes(typeName) || path.startsWith('#/info')) return true
  return property !== undefined && WORDS.includes(property)
}

function differenceOf(change: Change): Difference {
  const { kind, property, base, revision } = change
  const place = placeOf(change)
  if (kind !== 'modified') return { place, what: kind }
  return { place, what: `${String(property)}: ${stepOf(base?.value, revision?.value)}` }
}

/** Describes what a list gained and lost; for any other value, the old and the new one. */
function stepOf(from: unknown, to: unknown): string {
  if (!Array.isArray(from) || !Array.isArray(to)) return `${show(from)} → ${show(to)}`
  const gained = to.filter((one) => !from.includes(one)).map((one) => `+ ${show(one)}`)
  const lost = from.filter((one) => !to.includes(one)).map((one) => `- ${show(one)}`)
  return [...gained, ...lost].join(', ') || 'reordered'
}

function show(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value)
}

/**
 * Renders `#/paths/~1things/get/responses/200` as `GET /things › responses › 200`. A change inside a
 * component gets the place of the component: it applies wherever the component is used.
 */
function placeOf({ path, base, revision }: Change): string {
  const own = (revision ?? base)?.pointer
  const keys = (own?.startsWith('#/components/') ? own : path).split('/').slice(1)
  const names = keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (names[0] === 'components') return names.slice(1).join(' › ')
  if (names[0] !== 'paths' || names.length < 2) return names.join(' › ') || 'the document'
  const [, address, method, ...rest] = names
  const isMethod = method !== undefined && /^(get|put|post|patch|delete)$/.test(method)
  const head = isMethod ? `${method.toUpperCase()} ${address!}` : address!
  return [head, ...(isMethod || method === undefined ? rest : [method, ...rest])].join(' › ')
}
