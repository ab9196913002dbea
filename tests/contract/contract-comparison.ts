/*
 * Compares the smallest document before and after a change. A comparison without its rules passes everything,
 * so each kind of change is tried.
 */

import { createHash } from 'node:crypto'
import { compare, type Comparison } from '../../scripts/contract-gate/compare.ts'
import type { ContractDocument } from '../../src/contract/document.ts'
import { type Edits, edited, type Json } from '../support/contract/tiny-contract.ts'
import type { Case } from './contract-edits.ts'

export const TODAY = new Date('2026-11-23')

/** Compares one change in a document of its own. */
export function compareAlone(edits: Edits, before: Edits = {}): Promise<Comparison> {
  const [from, to] = [edited(before), edited(edits)]
  return compare(from as never, to as never, TODAY)
}

/**
 * Compares all cases in one document, so that redocly runs once, and returns the verdict on each. Each case has names
 * of its own, unlike enough not to be taken for a renamed other one.
 */
export async function compareAll(cases: readonly Case[]): Promise<Map<string, Comparison>> {
  const names = cases.map(([what]) => createHash('sha256').update(what).digest('hex'))
  const before = cases.map(([, , edits = {}], index) => withNames(edited(edits), names[index]!))
  const after = cases.map(([, edits], index) => withNames(edited(edits), names[index]!))
  const { breaks, additions, texts } = await compare(merged(before), merged(after), TODAY)
  const entries = cases.map(([what], index): [string, Comparison] => {
    const isOwn = ({ place }: { place: string }) => place.includes(names[index]!)
    return [what, { breaks: breaks.filter(isOwn), additions: additions.filter(isOwn), texts }]
  })
  return new Map(entries)
}

const OWN_SECTIONS = ['headers', 'responses', 'schemas'] as const

/** Returns the document with the name in each of its paths and components. */
function withNames(document: Json, name: string): ContractDocument {
  const pattern = /"#\/components\/(headers|responses|schemas)\/(\w+)"/g
  const text = JSON.stringify(document).replaceAll(pattern, `"#/components/$1/$2${name}"`)
  const copy = JSON.parse(text) as ContractDocument
  copy.paths = renameKeys(copy.paths, (path) => `/${name}${path}`)
  for (const section of OWN_SECTIONS) {
    const components = copy.components[section] as Record<string, never>
    copy.components[section] = renameKeys(components, (key) => key + name)
  }
  return copy
}

function renameKeys<T>(record: Record<string, T>, nameOf: (key: string) => string) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [nameOf(key), value]))
}

function merged(documents: ContractDocument[]): ContractDocument {
  const all = structuredClone(documents[0]!)
  for (const { paths, components } of documents) {
    Object.assign(all.paths, paths)
    for (const section of OWN_SECTIONS) {
      Object.assign(all.components[section]!, components[section])
    }
  }
  return all
}
