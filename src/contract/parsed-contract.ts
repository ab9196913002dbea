import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packageRoot } from '../lib/package-root.ts'

/** The contract as the build has parsed it: JSON is read at once, YAML in 0.2 s. */
const PARSED_FILE = 'dist/contract.json'

type Parsed = { sha256: string; document: unknown }

/** The document of exactly this text, if the build has stored it and the file can be read. */
export function findParsed(yaml: string, directory = packageRoot): unknown {
  try {
    const text = readFileSync(join(directory, PARSED_FILE), 'utf8')
    const { sha256, document } = JSON.parse(text) as Parsed
    return sha256 === digestOf(yaml) ? document : undefined
  } catch {
    return undefined
  }
}

/** Stores the document of a text for the next start. */
export function keepParsed(yaml: string, document: unknown, directory = packageRoot): void {
  const parsed: Parsed = { sha256: digestOf(yaml), document }
  const path = join(directory, PARSED_FILE)
  mkdirSync(dirname(path), { recursive: true })
  const unfinished = `${path}.${process.pid}`
  writeFileSync(unfinished, JSON.stringify(parsed))
  renameSync(unfinished, path)
}

function digestOf(yaml: string): string {
  return createHash('sha256').update(yaml).digest('hex')
}
