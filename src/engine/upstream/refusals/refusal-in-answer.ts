import { asObject, type Json } from '../../../lib/json.ts'
import { readRefusal, type Refusal } from './refusal.ts'

/** Of a refusal that names no status. */
const ANSWERED = 200
const BAD_REQUEST = 400

/**
 * The refusal that came with 200, as the first event of a stream or in the place of the answer. One that
 * does not say what it is about may be anything.
 * @returns undefined for what may pass by itself, and where something of an answer is told
 */
export function findRefusal(said: Json): Refusal | undefined {
  if (Array.isArray(said['choices']) && said['choices'].length > 0) return undefined
  const error = asObject(said['error'])
  const status = [error?.['code'], said['code'], error?.['status'], said['status']]
    .map(Number)
    .find((code) => code >= BAD_REQUEST && code < 600)
  const refusal = readRefusal(status ?? BAD_REQUEST, JSON.stringify(said))
  if (status !== undefined || !refusal) return refusal
  return refusal.kind === 'request' ? undefined : { ...refusal, status: ANSWERED }
}
