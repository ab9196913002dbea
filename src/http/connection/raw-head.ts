/** The headers that are taken from a request that could not be read, as if it had been read. */
const TAKEN: ReadonlySet<string> = new Set([
  'origin',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
])
/** Nothing behind the headers of a refused request is of use. */
const MAX_BYTES = 64 * 1024

export type RawHead = { method: string | undefined; headers: Record<string, string> }

/**
 * The method and headers of a request that the parser refused, as far as they are in its last packet;
 * nothing where the parser keeps no packet (a request that is late).
 */
export function readRawHead({
  rawPacket,
  bytesParsed = 0,
}: {
  rawPacket?: Buffer
  bytesParsed?: number
}): RawHead {
  const headers: Record<string, string> = {}
  if (!rawPacket) return { method: undefined, headers }
  const text = rawPacket.subarray(0, MAX_BYTES).toString('latin1')
  // Calls before it in the packet were valid, and ended with an empty line.
  const start = text.lastIndexOf('\r\n\r\n', Math.max(0, bytesParsed - 4))
  const [first = '', ...lines] = text.slice(start === -1 ? 0 : start + 4).split('\r\n')
  for (const line of lines) {
    if (line === '') break
    const [, name = '', value = ''] = /^([A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    const key = name.toLowerCase()
    if (!TAKEN.has(key)) continue
    // Node joins a header that comes twice in this way.
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  return { method: /^[A-Z]{1,20}(?= )/.exec(first)?.[0], headers }
}
