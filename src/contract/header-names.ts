import { type ContractDocument, operationsIn, resolve, type ResponseObject } from './document.ts'

/** What a caller sends beyond the header parameters: the credential, the body's type, its own id. */
const OF_EVERY_CALL = ['Authorization', 'Content-Type', 'X-Request-Id']
/** What libraries in browsers add to calls by themselves: it is honoured, or does no harm. */
const OF_LIBRARIES = ['Cache-Control', 'X-Requested-With', 'traceparent', 'tracestate']

/** Every header that an answer of the contract may have. */
export function serverHeaders(document: ContractDocument): string[] {
  const { responses = {} } = document.components
  const ofOperations = operationsIn(document).flatMap((one) => Object.values(one.responses))
  const described = [...Object.values(responses), ...ofOperations].flatMap((one) => {
    const { headers = {} }: ResponseObject = resolve(document, one)
    return Object.keys(headers)
  })
  // `Allow` is the answer to a method that the path has not, so no operation describes it.
  return sorted(['Allow', ...described])
}

/** Every header that a call may have. */
export function callerHeaders(document: ContractDocument): string[] {
  const parameters = operationsIn(document)
    .flatMap((operation) => operation.parameters ?? [])
    .map((parameter) => resolve(document, parameter))
  const schemes = Object.values(document.components.securitySchemes ?? {})
  const keys = [...parameters, ...schemes].filter((one) => one.in === 'header')
  return sorted([...OF_EVERY_CALL, ...OF_LIBRARIES, ...keys.map((one) => one.name)])
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}
