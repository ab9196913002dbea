import { asObject, hasContent, type Json } from '../../../lib/json.ts'
import { EngineFailure } from '../../engine.ts'
import { loggable } from './loggable-word.ts'

/** An error in the place of a part of the answer. Before the first part it may be a refusal. */
export class ReportedError extends EngineFailure {
  /** May hold anything: never log it. */
  readonly reported: Json

  /** Its message tells only the name of the error: the rest may hold anything. */
  constructor(form: 'an event' | 'an object', reported: Json = {}) {
    const name = nameOf(reported)
    const suffix = name === undefined ? '' : ` (${name})`
    super('upstream-failed', `the upstream sent ${form} of an error${suffix}`)
    this.reported = reported
  }
}

/** Whether an object reports an error, in any of the forms that servers use. */
export function isError({ error, object, type }: Json): boolean {
  const hasError = typeof error === 'object' ? hasContent(error) : Boolean(error)
  return hasError || object === 'error' || type === 'error'
}

/** @throws ReportedError */
export function requireNoError(part: Json): void {
  if (isError(part)) throw new ReportedError('an object', part)
}

function nameOf(reported: Json): string | undefined {
  const error = asObject(reported['error']) ?? reported
  return [error['code'], error['type'], reported['code']]
    .map(loggable)
    .find((one) => one !== 'no name' && one !== 'error')
}
