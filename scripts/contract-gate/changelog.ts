import type { ContractDocument } from '../../src/contract/document.ts'
import type { Comparison, Difference } from './compare.ts'
import { servedBy } from './served.ts'

const TITLE = `# Changelog of the contract

The additions of each version of \`openapi/api.yaml\`, the newest first. Written by
\`npm run changelog\`. The contracts themselves are in \`releases/\`.
`

/** Returns the additions that the comparison found, as a list in Markdown. */
export function changesOf({ additions, texts }: Comparison): string {
  const lines = [...new Set(additions.map(lineOf))]
  if (lines.length > 0) return lines.join('\n')
  return texts > 0 ? '- Only texts and examples changed.' : '- No changes.'
}

/** Returns the entry of the first version: every operation, by tag. */
export function firstChanges(document: ContractDocument): string {
  const lines = servedBy(document).map(({ path, place, operation }) => {
    return `- \`${place.split(' ')[0]!} ${path}\`: ${operation.operationId}`
  })
  return ['The first release.', '', ...lines].join('\n')
}

function lineOf({ place, what }: Difference): string {
  const text = what.length > 200 ? `${what.slice(0, 200)}…` : what
  return `- \`${place}\`: ${text.replaceAll('\n', ' ')}`
}

/** Returns the entry of a version; undefined if it has none. */
export function entryOf(changelog: string, version: string): string | undefined {
  const [, ...entries] = changelog.split(/^## /m)
  const entry = entries.find((one) => headOf(one) === version)
  return entry?.split('\n').slice(1).join('\n').trim()
}

/** Returns the changelog with this entry at the top, in place of the version's earlier entry. */
export function withEntry(changelog: string, version: string, heading: string, changes: string) {
  const [, ...entries] = changelog.split(/^## /m)
  const others = entries.filter((one) => headOf(one) !== version).map((one) => `## ${one.trim()}\n`)
  return [TITLE, `## ${heading}\n\n${changes}\n`, ...others].join('\n')
}

function headOf(entry: string): string | undefined {
  return /^\S+/.exec(entry)?.[0]
}
