import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createUnzip } from 'node:zlib'

/**
 * Decodes a body that an upstream has compressed although no encoding was asked for (RFC 9110 8.4).
 * An unknown encoding is left as it is: the body then fails to parse.
 */
export function decoded(body: Readable, encoding: string): Readable {
  const decoder = decoderOf(encoding.trim().toLowerCase())
  if (!decoder) return body
  // An error of either stream reaches the reader of the last one.
  return pipeline(body, decoder, () => undefined)
}

function decoderOf(encoding: string) {
  if (encoding === 'br') return createBrotliDecompress()
  return ['gzip', 'x-gzip', 'deflate'].includes(encoding) ? createUnzip() : undefined
}
