import { type ContractDocument, operationsIn, resolve, type ResponseObject } from './document.ts'

/** What a caller sends beside the header parameters: credential, type of the body, request id. */
const OF_EVERY_CALL = ['Authorization', 'Content-Type', 'X-Request-Id']
/** What browser libraries add to calls on their own: the server honours it, or it does no harm. */
const OF_LIBRARIES = ['Cache-Control', 'X-Requested-With', 'traceparent', 'tracestate']

/** Every header that a response may have. */
export function serverHeaders(document: ContractDocument): string[] {
  const { responses = {} } = document.components
  const ofOperations = operationsIn(document).flatMap((one) => Object.values(one.responses))
  const described = [...Object.values(responses), ...ofOperations].flatMap((one) => {
    const { headers = {} }: ResponseObject = resolve(document, one)
    return Object.keys(headers)
  })
  // `Allow` answers a method that the path does not have, so no operation describes it.
  return sorted(['Allow', ...described])
}

/** Every header that a request may have. */
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
