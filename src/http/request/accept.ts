const QUOTED = /"[^"]*"/g

/**
 * Whether `Accept` (RFC 9110 12.5.1) admits one of the types. The most specific range decides for
 * each; `q=0` excludes it, and no other parameter does. Text that is not a range admits nothing.
 * @param types in lower case
 */
export function admitsOneOf(accept: string, types: Iterable<string>): boolean {
  const weights = weightsOf(accept)
  for (const type of types) {
    const [kind = ''] = type.split('/')
    const weight = weights.get(type) ?? weights.get(`${kind}/*`) ?? weights.get('*/*') ?? 0
    if (weight > 0) return true
  }
  return false
}

/** The weight of each range; the greatest, if a range appears more than once. */
function weightsOf(accept: string): Map<string, number> {
  // Quoted parameters may contain commas and semicolons.
  const plain = accept.includes('"') ? accept.replaceAll(QUOTED, '') : accept
  const weights = new Map<string, number>()
  for (const part of plain.toLowerCase().split(',')) {
    const [written = '', ...parameters] = part.split(';')
    const range = written.trim()
    // Java's HttpURLConnection sends `*` for everything.
    const name = range === '*' ? '*/*' : range
    weights.set(name, Math.max(weights.get(name) ?? 0, weightIn(parameters)))
  }
  return weights
}

function weightIn(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=')
    if (name.trim() !== 'q') continue
    const weight = Number.parseFloat(value)
    return Number.isNaN(weight) ? 1 : weight
  }
  return 1
}
