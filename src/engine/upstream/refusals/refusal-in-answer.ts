import { asObject, type Json } from '../../../lib/json.ts'
import { readRefusal, type Refusal } from './refusal.ts'

/** The status of a refusal that names no other. */
const OK = 200
const BAD_REQUEST = 400

/**
 * Reads the refusal that came with 200, as the first event of a stream or in the place of the
 * answer.
 * @returns undefined for an error that may be transient or does not tell its reason, and for a part
 *   of an answer
 */
export function findRefusal(reported: Json): Refusal | undefined {
  if (Array.isArray(reported['choices']) && reported['choices'].length > 0) return undefined
  const error = asObject(reported['error'])
  const status = [error?.['code'], reported['code'], error?.['status'], reported['status']]
    .map(Number)
    .find((code) => code >= BAD_REQUEST && code < 600)
  const refusal = readRefusal(status ?? BAD_REQUEST, JSON.stringify(reported))
  if (status !== undefined || !refusal) return refusal
  return refusal.kind === 'request' ? undefined : { ...refusal, status: OK }
}
