import { invalidRequest } from '../problem.ts'
import { cutLine } from '../text/single-line.ts'

/** RFC 5321 4.5.3.1. */
const LONGEST_ADDRESS = 254
const LONGEST_LOCAL_PART = 64

/** The atoms of RFC 5322 and the labels of RFC 1035; no quotes, comments or address literals. */
const ADDRESS =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/**
 * The spelling in which an address is stored and compared: trimmed and in lower case.
 * Undefined for anything but an ASCII address with a domain.
 */
export function normaliseEmail(text: string): string | undefined {
  const address = cutLine(text)
  if (address.length > LONGEST_ADDRESS) return undefined
  if (address.indexOf('@') > LONGEST_LOCAL_PART) return undefined
  // Matched before the case is folded: U+212A, the Kelvin sign, folds to an ASCII "k".
  return ADDRESS.test(address) ? address.toLowerCase() : undefined
}

/** Normalises the `email` of a request body. @throws {Problem} invalid-request at /email */
export function requireEmail(text: string): string {
  const email = normaliseEmail(text)
  if (email !== undefined) return email
  const detail = 'must be an email address'
  throw invalidRequest({ in: 'body', pointer: '/email', code: 'format', detail })
}
