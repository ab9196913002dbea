import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { ContractDocument } from '../../src/contract/document.ts'
import { changesOf, entryOf, firstChanges, withEntry } from './changelog.ts'
import { compare, type Comparison } from './compare.ts'
import { compareVersions, newestRelease, parseVersion, type Release } from './releases.ts'

/** The folder of the contract, its releases and its changelog, and the day of the run. */
export type Gate = { directory: string; today: Date }

type Look = {
  yaml: string
  version: string
  /** The newest release, and the comparison with it; undefined before the first release. */
  last?: { release: Release; comparison: Comparison }
}

/**
 * Compares the contract with the newest release.
 * @throws listing the breaking changes, or if an addition has no new version or no changelog entry
 */
export async function refuseBreaks(gate: Gate): Promise<void> {
  const { version, last } = await look(gate)
  if (!last || last.comparison.additions.length === 0) return
  const expected = changesOf(last.comparison)
  if (entryOf(readChangelog(gate), version) === expected) return
  throw new Error(`openapi/CHANGELOG.md does not describe ${version}: run npm run changelog`)
}

/** Writes the entry of the next version. @throws as `refuseBreaks`, apart from the entry */
export async function writeChanges(gate: Gate): Promise<string> {
  const seen = await look(gate)
  writeEntry(gate, seen, `${seen.version} (not released yet)`)
  return seen.version
}

/**
 * Releases the contract: writes `releases/<version>.yaml` and the changelog entry.
 * @throws as `refuseBreaks`, apart from the entry; and if nothing has changed, or the version is not the
 * next one
 */
export async function release(gate: Gate): Promise<string> {
  const seen = await look(gate)
  const { version, last } = seen
  if (last) refuseWrongStep(last.release.version, version, last.comparison)
  const releases = join(gate.directory, 'releases')
  mkdirSync(releases, { recursive: true })
  writeFileSync(join(releases, `${version}.yaml`), seen.yaml)
  writeEntry(gate, seen, `${version} (${gate.today.toISOString().slice(0, 10)})`)
  return version
}

async function look({ directory, today }: Gate): Promise<Look> {
  const yaml = readFileSync(join(directory, 'api.yaml'), 'utf8')
  const document = parse(yaml) as ContractDocument
  const { version } = document.info
  refuseWrongPrefix(document)
  const released = newestRelease(join(directory, 'releases'), version)
  if (!released) return { yaml, version }
  const comparison = await compare(released.document, document, today)
  refuse(comparison, released.version, version)
  return { yaml, version, last: { release: released, comparison } }
}

/** Each major version has its own path prefix, so that no client moves to another contract unnoticed. */
function refuseWrongPrefix({ info, servers }: ContractDocument): void {
  const [major] = parseVersion(info.version)
  if (servers[0]?.url.endsWith(`/v${major}`)) return
  throw new Error(`info.version ${info.version} requires a server whose path ends in /v${major}.`)
}

function refuse({ breaks, additions }: Comparison, last: string, version: string): void {
  if (breaks.length > 0) {
    const lines = [...new Set(breaks.map(({ place, what }) => `  ${place}: ${what}`))]
    throw new Error(
      `These changes break clients of ${last} (openapi/changes.md says what to do instead):\n${lines.join('\n')}`,
    )
  }
  const [major, minor] = parseVersion(last)
  const needed = additions.length > 0 ? `${major}.${minor + 1}.0` : last
  if (compareVersions(version, needed) >= 0) return
  const lines = additions.map(({ place, what }) => `  ${place}: ${what}`)
  throw new Error(
    `info.version is ${version}. Set it to ${needed} and run npm run changelog:\n${lines.join('\n')}`,
  )
}

/** A release has the next minor or patch version, so that the number shows what kind of change it is. */
function refuseWrongStep(last: string, version: string, { additions, texts }: Comparison): void {
  if (additions.length + texts === 0) throw new Error(`Nothing has changed since ${last}.`)
  const [major, minor, patch] = parseVersion(last)
  const next = additions.length > 0 ? [major, minor + 1, 0] : [major, minor, patch + 1]
  if (version === next.join('.')) return
  throw new Error(`After ${last}, info.version must be ${next.join('.')}, not ${version}.`)
}

function writeEntry(gate: Gate, { yaml, version, last }: Look, heading: string): void {
  const changes = last ? changesOf(last.comparison) : firstChanges(parse(yaml) as ContractDocument)
  writeFileSync(changelogOf(gate), withEntry(readChangelog(gate), version, heading, changes))
}

function readChangelog(gate: Gate): string {
  return existsSync(changelogOf(gate)) ? readFileSync(changelogOf(gate), 'utf8') : ''
}

function changelogOf({ directory }: Gate): string {
  return join(directory, 'CHANGELOG.md')
}
