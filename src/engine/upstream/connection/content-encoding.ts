import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createUnzip } from 'node:zlib'

/**
 * What a body says, for an upstream that packs it although nobody has asked for it (RFC 9110 8.4).
 * An encoding that is not known is left as it is: no reader will make sense of it.
 */
export function decoded(body: Readable, encoding: string): Readable {
  const unpack = unpackerOf(encoding.trim().toLowerCase())
  if (!unpack) return body
  // Whoever reads the end of it hears what went wrong with either.
  return pipeline(body, unpack, () => undefined)
}

function unpackerOf(encoding: string) {
  if (encoding === 'br') return createBrotliDecompress()
  return ['gzip', 'x-gzip', 'deflate'].includes(encoding) ? createUnzip() : undefined
}
