import { createContext, Script } from 'node:vm'
import { fastFormats, fullFormats } from 'ajv-formats/dist/formats.js'
import { describe, expect, test } from 'vitest'
import { contract } from '../support/contract/contract.ts'

/** Nearly a whole body, since the validator tries patterns before lengths are checked. */
const LENGTH = 100_000
/** A match in one pass takes a millisecond, one that backtracks many seconds. */
const LONGEST_MS = 3_000

/** Returns every value of a keyword in the document. */
function valuesOf(keyword: string, at: unknown, values = new Set<string>()): Set<string> {
  if (typeof at !== 'object' || at === null) return values
  for (const [key, value] of Object.entries(at)) {
    if (key === keyword && typeof value === 'string') values.add(value)
    else valuesOf(keyword, value, values)
  }
  return values
}

const patterns = [...valuesOf('pattern', contract.document)]
const formats = [...valuesOf('format', contract.document)]

/** Besides letters and digits, the characters that patterns distinguish. */
const PUNCTUATION = [...new Set(patterns.join('').match(/[^\w\s\\[\](){}?|^$]/g))]
const PIECES = ['a', 'F', '0', 'W/', ' ', '\t', '\u00a0', ...PUNCTUATION]
/** Prefixes that lead a pattern to each of its parts. */
const PREFIXES = [
  '',
  'a',
  'a@',
  'a@a',
  'a.',
  '"',
  '"a"',
  'W/"a", ',
  '@',
  '2026-01-01T00:00:00.',
  '00000000-',
]
/** No pattern accepts it at the end. */
const REFUSED_SUFFIX = '\u0001'

function* hostileStrings(): Generator<string> {
  for (const prefix of PREFIXES) {
    for (const first of PIECES) {
      for (const second of ['', ...PIECES]) {
        const piece = first + second
        yield prefix + piece.repeat(LENGTH / piece.length) + REFUSED_SUFFIX
      }
    }
  }
}

const attempt = new Script('attempt()')

/** @throws when a check takes longer; the timeout stops regular expressions, too */
function expectInTime(
  check: (text: string) => unknown,
  texts: Iterable<string>,
  ms = LONGEST_MS,
): void {
  const sandbox = createContext({ attempt: () => undefined })
  for (const text of texts) {
    sandbox['attempt'] = () => void check(text)
    attempt.runInContext(sandbox, { timeout: ms })
  }
}

describe('a string of 100,000 characters', () => {
  test.each(patterns)('is refused in time by the pattern %s', (pattern) => {
    // With the flag that Ajv uses.
    const expression = new RegExp(pattern, 'u')
    expectInTime((text) => expression.test(text), hostileStrings())
  })

  test.each(formats)('is refused in time by the format %s', (format) => {
    for (const known of [fullFormats, fastFormats] as Record<string, unknown>[]) {
      const check = known[format]
      if (check === undefined || check === true) continue
      expectInTime(validatorOf(check), hostileStrings())
    }
  })

  test('times out with a pattern that backtracks', () => {
    expect(() => {
      expectInTime((text) => /^(a+)+$/.test(text), ['a'.repeat(100) + REFUSED_SUFFIX], 500)
    }).toThrow('timed out')
  })
})

function validatorOf(check: unknown): (text: string) => boolean {
  if (check instanceof RegExp) return (text) => check.test(text)
  if (typeof check === 'function') return check as (text: string) => boolean
  const { validate } = check as { validate: RegExp | ((text: string) => boolean) }
  return validate instanceof RegExp ? (text) => validate.test(text) : validate
}
