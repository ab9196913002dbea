import { asObject, type Json } from '../../../lib/json.ts'
import { upstreamFailed } from '../connection/upstream-failures.ts'

/** Parses a JSON object; undefined for any other text. */
export function parseJsonObject(text: string): Json | undefined {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Parses a JSON object. @throws EngineFailure, without the text: it must not be logged */
export function requireJsonObject(text: string): Json {
  const value = parseJsonObject(text)
  if (!value) throw upstreamFailed('the upstream sent something other than a JSON object')
  return value
}
