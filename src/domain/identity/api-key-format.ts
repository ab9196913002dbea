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
export interface ApiKeyFormat {
  /** A new key. Nothing of its secret can be found again. */
  mint(): { publicId: string; secret: string }
  /** The id in a key, or undefined for anything that `mint` did not make. Asks no database. */
  read(key: string): string | undefined
  /** HMAC-SHA-256 of the whole key: all that is kept of it. */
  hash(key: string): Buffer
}

/** What a key begins with: enough to know it by, not to use it. */
export function apiKeyPrefix(publicId: string): string {
  return PREFIX + publicId
}

/** Whether a credential calls itself an API key. */
export function looksLikeApiKey(credential: string): boolean {
  return credential.startsWith('parley_live_')
}

/** @param hashKey the derived key for `api-keys` */
export function createApiKeyFormat(hashKey: Buffer): ApiKeyFormat {
  return {
    mint() {
      const publicId = randomDigits(ID_LENGTH)
      const body = `${apiKeyPrefix(publicId)}_${randomDigits(SECRET_LENGTH)}`
      return { publicId, secret: body + checksumOf(body) }
    },
    read(key) {
      const publicId = KEY.exec(key)?.[1]
      if (publicId === undefined) return undefined
      const body = key.slice(0, -CHECKSUM_LENGTH)
      return key.endsWith(checksumOf(body)) ? publicId : undefined
    },
    hash: (key) => createHmac('sha256', hashKey).update('api-key/v1|').update(key).digest(),
  }
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
