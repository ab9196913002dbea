/* The parts of which the documents of `tiny-contract.ts` are made. */

/** A JSON object of which a test knows the shape. */
export type Json = { [key: string]: unknown }

export const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` })
export const response = (name: string) => ({ $ref: `#/components/responses/${name}` })
const headerNames = {
  'X-Request-Id': 'RequestId',
  'Cache-Control': 'NoStore',
  'RateLimit-Policy': 'RateLimitPolicy',
  RateLimit: 'RateLimit',
  'Retry-After': 'RetryAfter',
  'WWW-Authenticate': 'WwwAuthenticate',
  Location: 'Location',
}
const COUNTED = ['X-Request-Id', 'Cache-Control', 'RateLimit-Policy', 'RateLimit'] as const

export function headers(...more: (keyof typeof headerNames)[]): Json {
  const names = [...COUNTED, ...more]
  return Object.fromEntries(
    names.map((name) => [name, { $ref: `#/components/headers/${headerNames[name]}` }]),
  )
}

export function json(name: string, example: unknown): Json {
  return { 'application/json': { schema: schema(name), example } }
}
