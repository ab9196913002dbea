import { isUtf8 } from 'node:buffer'
import { Problem } from '../../domain/problem.ts'
import { checkJson } from './json-shape.ts'

/**
 * Parses a body: well-formed JSON in UTF-8, not too deep or wide, no key twice in an object.
 * @throws {Problem} malformed-json, invalid-request
 */
export function parseBody(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new Problem('malformed-json', { detail: 'The body is not UTF-8.' })
  const text = bytes.toString()
  const shape = checkJson(text)
  if (shape === 'too-deep') {
    throw new Problem('invalid-request', { detail: 'body: is nested more than 32 levels deep' })
  }
  if (shape === 'too-wide') {
    throw new Problem('invalid-request', { detail: 'body: contains more than 1,000 values' })
  }
  return readJson(text, shape.keys)
}

function readJson(text: string, keysWritten: number): unknown {
  const body = parseJson(text)
  const found = { keys: 0, badText: false }
  inspect(body, found)
  if (found.badText) {
    const detail = 'body: contains U+0000 or an unpaired surrogate'
    throw new Problem('invalid-request', { detail })
  }
  if (found.keys !== keysWritten) {
    throw new Problem('malformed-json', { detail: 'An object contains the same key twice.' })
  }
  return body
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the body, which may hold a password.
    throw new Problem('malformed-json')
  }
}

function inspect(value: unknown, found: { keys: number; badText: boolean }): void {
  if (typeof value === 'string') {
    if (value.includes('\0') || !value.isWellFormed()) found.badText = true
    return
  }
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const entry of value) inspect(entry, found)
    return
  }
  for (const [key, entry] of Object.entries(value)) {
    found.keys += 1
    inspect(key, found)
    inspect(entry, found)
  }
}
