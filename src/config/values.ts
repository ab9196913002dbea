import { isIP } from 'node:net'
import { normaliseEmail } from '../domain/identity/emails.ts'
import { findPasswordFault, PASSWORD_LENGTH } from '../domain/identity/password-policy.ts'
import { isServerSecret, SERVER_SECRET_LEAST_BYTES } from '../ports/keys/server-secret.ts'

/** Reads the text of one variable. @throws Unreadable */
export type Parse<T> = (text: string) => T

/** A text that is no value of its variable. The message completes "NAME must be …". */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}

/** The value of `RATE_LIMIT_…`. */
export interface LimitOverride {
  readonly quota: number
  readonly windowSeconds: number
}

/** A whole number in decimal digits, from `least` to `most`. */
export function integer(least: number, most: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return accept(value, value >= least && value <= most, `a whole number from ${least} to ${most}`)
  }
}

/** One of a few words. */
export function oneOf<const T extends string>(...words: readonly T[]): Parse<T> {
  return (text) => {
    const word = words.find((candidate) => candidate === text)
    if (word !== undefined) return word
    throw new Unreadable(words.join(', ').replace(/, ([^,]*)$/, ' or $1'))
  }
}

/** `true` or `false`. */
export const flag: Parse<boolean> = (text) => oneOf('true', 'false')(text) === 'true'

/** Any text of one line. */
export const line: Parse<string> = (text) =>
  // eslint-disable-next-line no-control-regex -- these are what a line must not have
  accept(text, !/[\u0000-\u001f\u007f]/.test(text), 'one line without control characters')

/** The name of a file, and not its content. */
export const path: Parse<string> = (text) =>
  accept(line(text), !isContent(text), 'the name of a file, not its content')

/** Whether the text is a secret instead of the name of its file: it must not be shown. */
export function isContent(text: string): boolean {
  return /^\s*[{[]|-----BEGIN/.test(text)
}

/** An address to listen on: a host name or an IP address. */
export const host: Parse<string> = (text) =>
  accept(text, isIP(text) !== 0 || /^[a-zA-Z0-9.-]{1,253}$/.test(text), 'an address or a host name')

/** The base URL of an HTTP API, without a slash at the end. */
export const baseUrl: Parse<string> = (text) => {
  const url = urlIn(text)
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  const isBare = !/[?#]/.test(text) && url?.username === '' && url.password === ''
  const expected = 'an http:// or https:// URL without a user, query or fragment'
  return accept(text, isHttp && isBare, expected).replace(/\/+$/, '')
}

/** A token for a header. */
export const headerToken: Parse<string> = (text) =>
  accept(text, /^[\x21-\x7e]+$/.test(text), 'printable ASCII without spaces')

/** Exact origins, as the `Origin` header of a browser has them (RFC 6454 6.2). */
export const origins: Parse<readonly string[]> = (text) => {
  const expected =
    'a comma-separated list of origins as browsers send them: scheme, host, and port unless it ' +
    'is the default; no path, no *'
  return listOf(text, isOrigin, expected)
}

/** Where to report a vulnerability, as in security.txt (RFC 9116 2.5.3). */
export const contacts: Parse<readonly string[]> = (text) =>
  listOf(text, isContact, 'a comma-separated list of mailto: and https:// addresses')

/** How many proxies to trust, or which (`10.0.0.0/8`). Never all: any client could claim to be one. */
export const proxies: Parse<number | readonly string[]> = (text) => {
  const expected =
    'the number of proxies in front of the server (0 to 10), or their addresses and CIDRs, ' +
    'comma-separated; never true and never /0'
  if (!/^\d+$/.test(text)) return listOf(text, isNetwork, expected)
  const hops = Number(text)
  return accept(hops, hops <= 10, expected)
}

/** `10/60`: ten calls in sixty seconds. */
export const limit: Parse<LimitOverride> = (text) => {
  const [, quota = '', windowSeconds = ''] = /^([1-9]\d{0,8})\/([1-9]\d{0,6})$/.exec(text) ?? []
  const expected =
    'QUOTA/SECONDS, such as 10/60 for ten calls a minute, with a window of at most 31 days'
  const value = { quota: Number(quota), windowSeconds: Number(windowSeconds) }
  return accept(value, value.quota > 0 && value.windowSeconds <= 31 * 86_400, expected)
}

/** An email address, normalised. */
export const email: Parse<string> = (text) => {
  const address = normaliseEmail(text)
  if (address !== undefined) return address
  throw new Unreadable('an ASCII email address')
}

/** A password that the policy allows; the list of common ones is checked elsewhere. */
export const password: Parse<string> = (text) => {
  const { least, most } = PASSWORD_LENGTH
  return accept(text, !findPasswordFault(text), `a password of ${least} to ${most} characters`)
}

/** The server secret. */
export const serverSecret: Parse<string> = (text) =>
  accept(text, isServerSecret(text), `at least ${SERVER_SECRET_LEAST_BYTES} bytes long`)

function accept<T>(value: T, isRight: boolean, expected: string): T {
  if (isRight) return value
  throw new Unreadable(expected)
}

function listOf(
  text: string,
  isItem: (item: string) => boolean,
  expected: string,
): readonly string[] {
  const items = text.split(',').map((item) => item.trim())
  return accept(items, items.every(isItem), expected)
}

function isOrigin(text: string): boolean {
  const url = urlIn(text)
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  // The URL parser accepts a star in a host name.
  return isHttp && url.origin === text && !text.includes('*')
}

function isContact(text: string): boolean {
  // The URL parser drops tabs, and line breaks that would add a field.
  if (!/^[\x21-\x7e]+$/.test(text)) return false
  return /^mailto:[^@]+@[^@]+$/.test(text) || urlIn(text)?.protocol === 'https:'
}

function isNetwork(text: string): boolean {
  const [address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text)?.slice(1) ?? []
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  if (prefix === undefined) return bits > 0
  return Number(prefix) >= 1 && Number(prefix) <= bits
}

function urlIn(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
