import { createHmac, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'parley_live_'
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
/** 43 of 62 digits are 256 bits. */
const SECRET_LENGTH = 43
/** 62^6 > 2^32. */
const CHECKSUM_LENGTH = 6
const KEY = /^parley_live_([0-9A-Za-z]{12})_[0-9A-Za-z]{49}$/

/** API keys: `parley_live_<id>_<secret><checksum>`, letters and digits only. */
export class ApiKeyFormat {
  readonly #hashKey: Buffer

  /** @param hashKey the derived key for `api-keys` */
  constructor(hashKey: Buffer) {
    this.#hashKey = hashKey
  }

  /** Returns a new key. Its secret cannot be recovered from what is stored. */
  mint(): { publicId: string; secret: string } {
    const publicId = randomDigits(ID_LENGTH)
    const body = `${apiKeyPrefix(publicId)}_${randomDigits(SECRET_LENGTH)}`
    return { publicId, secret: body + checksumOf(body) }
  }

  /** The public id of a key; undefined for a text that `mint` did not make. Queries no database. */
  read(key: string): string | undefined {
    const publicId = KEY.exec(key)?.[1]
    if (publicId === undefined) return undefined
    const body = key.slice(0, -CHECKSUM_LENGTH)
    return key.endsWith(checksumOf(body)) ? publicId : undefined
  }

  /** HMAC-SHA-256 of the whole key: all that is stored of it. */
  hash(key: string): Buffer {
    return createHmac('sha256', this.#hashKey).update('api-key/v1|').update(key).digest()
  }
}

/** The beginning of a key: enough to recognise it, not to use it. */
export function apiKeyPrefix(publicId: string): string {
  return PREFIX + publicId
}

/** Whether a credential has the prefix of an API key. */
export function looksLikeApiKey(credential: string): boolean {
  return credential.startsWith(PREFIX)
}

function randomDigits(length: number): string {
  return Array.from({ length }, () => DIGITS[randomInt(DIGITS.length)]).join('')
}

/** The CRC-32 in base 62, six digits. */
function checksumOf(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    digits = DIGITS.charAt(rest % DIGITS.length) + digits
    rest = Math.floor(rest / DIGITS.length)
  }
  return digits
}
