import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { ContractDocument } from '../../src/contract/document.ts'

/** `[1, 2, 0]` of `1.2.0`. */
export type Version = readonly [major: number, minor: number, patch: number]

/** A released contract. */
export type Release = { version: string; document: ContractDocument }

/** @throws if the text is not three numbers */
export function parseVersion(text: string): Version {
  const numbers = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(text)?.slice(1).map(Number)
  if (!numbers) throw new Error(`info.version must be three numbers, such as 1.2.0. It is ${text}.`)
  return numbers as unknown as Version
}

/** Returns a negative number if `one` is lower than `other`. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [parseVersion(one), parseVersion(other)]
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

/** Returns the newest release of the same major version; undefined before the first. */
export function newestRelease(directory: string, version: string): Release | undefined {
  const [major] = parseVersion(version)
  const versions = releasedVersions(directory).filter((one) => parseVersion(one)[0] === major)
  const newest = versions.at(-1)
  if (newest === undefined) return undefined
  const yaml = readFileSync(join(directory, `${newest}.yaml`), 'utf8')
  return { version: newest, document: parse(yaml) as ContractDocument }
}

/** Returns every released version, the oldest first. */
export function releasedVersions(directory: string): string[] {
  if (!existsSync(directory)) return []
  const files = readdirSync(directory).filter((file) => file.endsWith('.yaml'))
  return files.map((file) => file.replace(/\.yaml$/, '')).sort(compareVersions)
}
