import {
  type ContractDocument,
  METHODS,
  operationsIn,
  resolve,
  type ResponseObject,
} from '../../contract/document.ts'
import { PROBLEM_TYPE } from '../../contract/documented-statuses.ts'

const ANY_PROBLEM: ResponseObject = {
  description: 'A problem.',
  content: { [PROBLEM_TYPE]: { schema: { type: 'object' } } },
}

/**
 * The document as the validator shall read it. It takes `servers` on a path, which describe the
 * legacy places, for a method. And it refuses `+` and `:` in a query unless they are reserved for
 * the value, but `+` is how forms and `URLSearchParams` write a space.
 *
 * It compiles the schema of every response of every operation anew, each time going through the whole
 * document, and nine of ten are `Problem`. Problems are made in one place, which checks their status
 * and their shape itself (`http/response/problems.ts`): here it is told of their media type once. And what it
 * never looks at is left out. Both together leave a quarter of the work.
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

/** Headers are checked by `contract/answers.ts`; links and examples are for readers. */
function leaveBodyOnly(response: ResponseObject): void {
  delete response.headers
  delete response.links
  for (const mediaType of Object.values(response.content ?? {})) {
    delete mediaType.example
    delete mediaType.examples
  }
}
