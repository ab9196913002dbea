import { Prisma } from '../../../generated/prisma/client.ts'

/**
 * A regular expression of PostgreSQL for text that contains this in any case. It lists the forms of each
 * letter, so that it means the same in every database, whatever the locale of that takes for a letter.
 * @param search any text; it is compared in NFC
 */
export function inAnyCase(search: string): string {
  return Array.from(search.normalize('NFC'), alike).join('')
}

/**
 * A text in NFC, as the expression expects it. Normalising takes longer than searching: ASCII and text
 * that is in NFC already, which is nearly all, goes without it.
 */
export function composed(text: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`CASE
    WHEN octet_length(${text}) = char_length(${text}) OR ${text} IS NFC NORMALIZED THEN ${text}
    ELSE normalize(${text}, NFC) END`
}

/** In the collation C, as every database has it, an expression of `inAnyCase` means what it says. */
export function matches(text: Prisma.Sql, pattern: string): Prisma.Sql {
  return Prisma.sql`(${text}) COLLATE "C" ~ ${pattern}`
}

function alike(letter: string): string {
  const letters = lettersByFold().get(fold(letter))
  if (letters !== undefined) return `[${letters}]`
  return /[\p{L}\p{N}\p{M}]/u.test(letter) || letter.charCodeAt(0) > 0x7f ? letter : escaped(letter)
}

/** Before a letter or a digit, a backslash means something else to PostgreSQL; these are neither. */
function escaped(sign: string): string {
  return /[\\^$.*+?()[\]{}|]/.test(sign) ? `\\${sign}` : sign
}

/** Dotted and dotless: which of them are a pair depends on the language, which is unknown. */
const TURKISH_I = '\u0130'

/**
 * Unicode's simple case folding, one letter for one, by way of the capital: σ and ς are Σ, and ſ is S.
 * What has a capital of several letters stays as it is (ß is not SS, but ẞ), and İ and ı are an i.
 */
function fold(letter: string): string {
  if (letter === TURKISH_I) return 'i'
  const capital = one(letter.toUpperCase()) ?? letter
  return one(capital.toLowerCase()) ?? capital
}

function one(text: string): string | undefined {
  return Array.from(text).length === 1 ? text : undefined
}

const MOST_CODE_POINT = 0x1ffff
let byFold: ReadonlyMap<string, string> | undefined

/** All forms of each letter that has more than one: some 1,400, gathered once, in some 30 ms. */
function lettersByFold(): ReadonlyMap<string, string> {
  byFold ??= gatherLetters()
  return byFold
}

function gatherLetters(): ReadonlyMap<string, string> {
  const letters = new Map<string, string>()
  for (let code = 0; code <= MOST_CODE_POINT; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue
    const letter = String.fromCodePoint(code)
    const folded = fold(letter)
    if (folded !== letter) letters.set(folded, `${letters.get(folded) ?? folded}${letter}`)
  }
  return letters
}
