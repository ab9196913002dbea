import {
  type ContractDocument,
  METHODS,
  operationsIn,
  resolve,
  type ResponseObject,
} from '../../contract/document.ts'
import { PROBLEM_TYPE } from '../../contract/media-types.ts'

const ANY_PROBLEM: ResponseObject = {
  description: 'A problem.',
  content: { [PROBLEM_TYPE]: { schema: { type: 'object' } } },
}

/**
 * The document in the form that suits the validator. It reads `servers` on a path, which describe old
 * URLs, as a method. And it refuses `+` and `:` in a query unless the parameter allows reserved
 * characters, but forms and `URLSearchParams` write a space as `+`.
 *
 * The validator compiles the schema of every response of every operation separately, each time walking
 * the whole document, and nine of ten are `Problem`. `ResponseCheck` checks problems, so the validator
 * learns their media type only. What it never reads is removed. Together this leaves a quarter of the work.
 */
export function asValidatorReads(document: ContractDocument): ContractDocument {
  const copy = structuredClone(document)
  const items = Object.values(copy.paths)
  for (const item of items) delete item.servers
  const ofPaths = items.flatMap((item) => [item, ...METHODS.map((method) => item[method])])
  const shared = Object.values(copy.components.parameters ?? {})
  for (const parameter of [...shared, ...ofPaths.flatMap((one) => one?.parameters ?? [])]) {
    if ('in' in parameter && parameter.in === 'query') parameter.allowReserved = true
  }
  for (const operation of operationsIn(copy)) {
    const responses = Object.entries(operation.responses)
    const replies = responses.map(([status, one]) => [status, resolve(copy, one)] as const)
    operation.responses = {
      ...Object.fromEntries(replies.filter(([status]) => Number(status) < 400)),
      '4XX': ANY_PROBLEM,
      '5XX': ANY_PROBLEM,
    }
    for (const [, reply] of replies) leaveBodyOnly(reply)
  }
  delete copy.components.headers
  delete copy.components.responses
  return copy
}

/** `ResponseCheck` checks headers; links and examples are for readers. */
function leaveBodyOnly(response: ResponseObject): void {
  delete response.headers
  delete response.links
  for (const mediaType of Object.values(response.content ?? {})) {
    delete mediaType.example
    delete mediaType.examples
  }
}
