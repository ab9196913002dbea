import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { ValidResponse } from '../../../src/http/response/head-check.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder in which every process of the suite records the responses that it has seen. */
    seenResponses: string
  }
}

const seen = new Set<string>()
const written = new Set<string>()

/** Records a response that conforms to the contract. */
export function recordResponse({ operationId, status, mediaType }: ValidResponse): void {
  seen.add([operationId, status, mediaType ?? '-'].join(' '))
}

/** Writes the responses seen since the last call, for the count at the end of the suite. */
export function writeSeenResponses(): void {
  const fresh = [...seen].filter((name) => !written.has(name))
  if (fresh.length === 0) return
  const file = join(inject('seenResponses'), `${String(process.pid)}.txt`)
  appendFileSync(file, fresh.map((name) => `${name}\n`).join(''))
  for (const name of fresh) written.add(name)
}
