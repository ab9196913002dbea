/** What is taken from a request that could not be read; each is as good as a header that was. */
const TAKEN: ReadonlySet<string> = new Set([
  'origin',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
])
/** Behind the headers of a refused request nothing of it is worth a look. */
const LONGEST_LOOK = 64 * 1024

export type RawHead = { method: string | undefined; headers: Record<string, string> }

/**
 * What a packet tells of the request that the parser refused in it: as much as has arrived in this one
 * packet, and nothing where the parser keeps none (a request that is late).
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
  const text = rawPacket.subarray(0, LONGEST_LOOK).toString('latin1')
  // Calls before it in the packet were in order, and ended with an empty line.
  const start = text.lastIndexOf('\r\n\r\n', Math.max(0, bytesParsed - 4))
  const [first = '', ...lines] = text.slice(start === -1 ? 0 : start + 4).split('\r\n')
  for (const line of lines) {
    if (line === '') break
    const [, name = '', value = ''] = /^([A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    const key = name.toLowerCase()
    if (!TAKEN.has(key)) continue
    // As Node joins a header that comes twice.
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  return { method: /^[A-Z]{1,20}(?= )/.exec(first)?.[0], headers }
}
