import { createHmac, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'parley_refresh_'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const BODY = /^[A-Za-z0-9_-]{75}$/

/** Where each part ends, in bytes: session id, counter, HMAC, CRC. */
const ID_END = 16
const COUNTER_END = 20
const MAC_END = 52

/** Refresh tokens: derived from the session and its counter, so that no token has to be stored. */
export class RefreshTokens {
  readonly #key: Buffer

  /** @param key the derived key for `refresh-tokens` */
  constructor(key: Buffer) {
    this.#key = key
  }

  /**
   * Returns the token of a session's nth refresh. The same input always gives the same token.
   * @param sessionId a UUID in lower case
   * @throws RangeError if the id is no UUID or the counter does not fit 32 bits
   */
  mint(sessionId: string, counter: number): string {
    const subject = encodeSubject(sessionId, counter)
    const signed = Buffer.concat([subject, macOf(this.#key, subject)])
    return PREFIX + Buffer.concat([signed, crcOf(signed)]).toString('base64url')
  }

  /**
   * What a token stands for; undefined for a text that `mint` did not make. Queries no database.
   */
  read(token: string): { sessionId: string; counter: number } | undefined {
    const bytes = decode(token)
    if (!bytes?.subarray(MAC_END).equals(crcOf(bytes.subarray(0, MAC_END)))) return undefined
    const subject = bytes.subarray(0, COUNTER_END)
    const mac = bytes.subarray(COUNTER_END, MAC_END)
    if (!timingSafeEqual(mac, macOf(this.#key, subject))) return undefined
    return decodeSubject(subject)
  }
}

/** 75 characters carry two spare bits: only the spelling that `mint` gives is a token. */
function decode(token: string): Buffer | undefined {
  const text = token.startsWith(PREFIX) ? token.slice(PREFIX.length) : ''
  if (!BODY.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

function encodeSubject(sessionId: string, counter: number): Buffer {
  if (!UUID.test(sessionId)) throw new RangeError('A session id is a UUID in lower case.')
  // `writeUInt32BE` turns NaN and fractions into another counter without an error.
  if (!Number.isInteger(counter)) throw new RangeError('A counter is a whole number.')
  const subject = Buffer.alloc(COUNTER_END)
  subject.write(sessionId.replaceAll('-', ''), 'hex')
  subject.writeUInt32BE(counter, ID_END)
  return subject
}

function decodeSubject(subject: Buffer): { sessionId: string; counter: number } {
  const hex = subject.toString('hex', 0, ID_END)
  const sessionId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return { sessionId, counter: subject.readUInt32BE(ID_END) }
}

function macOf(key: Buffer, subject: Buffer): Buffer {
  return createHmac('sha256', key).update('refresh-token/v1|').update(subject).digest()
}

function crcOf(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum
}
