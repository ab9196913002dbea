import { createContext, Script } from 'node:vm'
import { fastFormats, fullFormats } from 'ajv-formats/dist/formats.js'
import { describe, expect, test } from 'vitest'
import { contract } from '../support/contract/contract.ts'

/** The validator tries patterns before anybody has looked at a length: nearly that of a whole body. */
const LENGTH = 100_000
/** What is decided in one pass takes a millisecond; what goes back and forth takes many seconds. */
const LONGEST_MS = 3_000

/** Every value of a keyword in the document. */
function valuesOf(keyword: string, at: unknown, found = new Set<string>()): Set<string> {
  if (typeof at !== 'object' || at === null) return found
  for (const [key, value] of Object.entries(at)) {
    if (key === keyword && typeof value === 'string') found.add(value)
    else valuesOf(keyword, value, found)
  }
  return found
}

const patterns = [...valuesOf('pattern', contract.document)]
const formats = [...valuesOf('format', contract.document)]

/** What patterns tell apart: letters, digits, and each mark that one of them names. */
const MARKS = [...new Set(patterns.join('').match(/[^\w\s\\[\](){}?|^$]/g))]
const PIECES = ['a', 'F', '0', 'W/', ' ', '\t', '\u00a0', ...MARKS]
/** Beginnings that bring a pattern to each of its parts. */
const BEGINNINGS = [
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
/** No pattern takes it at the end. */
const WRONG_END = '\u0001'

function* hostileStrings(): Generator<string> {
  for (const beginning of BEGINNINGS) {
    for (const first of PIECES) {
      for (const second of ['', ...PIECES]) {
        const piece = first + second
        yield beginning + piece.repeat(LENGTH / piece.length) + WRONG_END
      }
    }
  }
}

const attempt = new Script('attempt()')

/** @throws when it takes longer: whatever runs is stopped, regular expressions too */
function inTime(check: (text: string) => unknown, texts: Iterable<string>, ms = LONGEST_MS): void {
  const sandbox = createContext({ attempt: () => undefined })
  for (const text of texts) {
    sandbox['attempt'] = () => void check(text)
    attempt.runInContext(sandbox, { timeout: ms })
  }
}

describe('a hundred thousand characters of any kind', () => {
  test.each(patterns)('are refused in one pass by the pattern %s', (pattern) => {
    // As Ajv makes it.
    const expression = new RegExp(pattern, 'u')
    inTime((text) => expression.test(text), hostileStrings())
  })

  test.each(formats)('are refused in one pass by the format %s', (format) => {
    for (const known of [fullFormats, fastFormats] as Record<string, unknown>[]) {
      const check = known[format]
      if (check === undefined || check === true) continue
      inTime(validatorOf(check), hostileStrings())
    }
  })

  test('would be noticed by a pattern that goes back and forth', () => {
    expect(() => {
      inTime((text) => /^(a+)+$/.test(text), ['a'.repeat(100) + WRONG_END], 500)
    }).toThrow('timed out')
  })
})

function validatorOf(check: unknown): (text: string) => boolean {
  if (check instanceof RegExp) return (text) => check.test(text)
  if (typeof check === 'function') return check as (text: string) => boolean
  const { validate } = check as { validate: RegExp | ((text: string) => boolean) }
  return validate instanceof RegExp ? (text) => validate.test(text) : validate
}
