/** Rules on responses: statuses, headers, media types and examples. */
import { documentRule, isLimited, operationsOf, resolve, responsesOf } from './document.js'

const PROBLEM_TYPE = 'application/problem+json'
const PROBLEM_SCHEMA = '#/components/schemas/Problem'
const RATE_LIMIT_HEADERS = ['RateLimit-Policy', 'RateLimit']

const isSuccess = (status) => status.startsWith('2')
const isFailure = (status) => /^[45]/.test(status)

/** Returns the statuses that an operation must declare. A moved operation only redirects. */
function expectedStatuses(root, operation) {
  if (operation['x-moved-to']) return ['308', '429', '500']
  const responses = Object.entries(operation.responses ?? {})
  const hasAnswer = responses.some(
    ([status, response]) => isSuccess(status) && resolve(root, response)?.content !== undefined,
  )
  const isSecured = (operation.security ?? root.security ?? []).length > 0
  return [
    '400',
    ...(isSecured ? ['401', '403'] : []),
    ...(hasAnswer ? ['406'] : []),
    ...(operation.requestBody ? ['408', '413', '415'] : []),
    ...(isLimited(operation) ? ['429'] : []),
    '500',
  ]
}

const expectedResponses = documentRule((root, report) => {
  for (const { operation, keys } of operationsOf(root)) {
    const missing = expectedStatuses(root, operation).filter(
      (status) => !(status in (operation.responses ?? {})),
    )
    if (missing.length > 0)
      report([...keys, 'responses'], `The operation must describe ${missing.join(', ')}.`)
  }
})

/** Returns whether a resource created at this path can be read at a path of its own. */
function isReadable(root, path) {
  return Object.entries(root.paths).some(([other, item]) => {
    const rest = other.startsWith(path) ? other.slice(path.length) : ''
    return /^\/\{\w+\}$/.test(rest) && item.get !== undefined
  })
}

/** Returns the headers that a response must declare. The server itself sends 405 with `Allow`. */
function expectedHeaders(root, { path, operation, status }) {
  return [
    'X-Request-Id',
    'Cache-Control',
    ...(isLimited(operation) ? RATE_LIMIT_HEADERS : []),
    ...(status === '401' ? ['WWW-Authenticate'] : []),
    ...(status === '429' || status === '503' ? ['Retry-After'] : []),
    ...(status === '201' && isReadable(root, path) ? ['Location'] : []),
  ]
}

const responseHeaders = documentRule((root, report) => {
  for (const entry of responsesOf(root)) {
    const declared = Object.keys(entry.response.headers ?? {})
    const missing = expectedHeaders(root, entry).filter((name) => !declared.includes(name))
    if (missing.length > 0) report(entry.keys, `The response must declare ${missing.join(', ')}.`)
  }
})

/** Every failure is a problem, apart from those in `except`, such as `GET /path 503`. */
const problemResponses = documentRule((root, report, { except = [] }) => {
  for (const { path, method, status, response, keys } of responsesOf(root)) {
    if (!isFailure(status) || except.includes(`${method.toUpperCase()} ${path} ${status}`)) continue
    const types = Object.keys(response.content ?? {})
    const isProblem =
      types.length === 1 && response.content[PROBLEM_TYPE]?.schema?.$ref === PROBLEM_SCHEMA
    if (!isProblem) report(keys, `A failure must be ${PROBLEM_TYPE} with the schema Problem.`)
  }
})

/** Generators keep one of several media types and drop the others. */
const oneMediaType = documentRule((root, report) => {
  for (const { operation, keys } of operationsOf(root)) {
    const answers = Object.entries(operation.responses ?? {})
      .filter(([status]) => isSuccess(status))
      .flatMap(([, response]) => Object.keys(resolve(root, response)?.content ?? {}))
    const bodies = Object.keys(resolve(root, operation.requestBody)?.content ?? {})
    if (new Set(answers).size > 1)
      report([...keys, 'responses'], `Use one media type per success, not ${answers.join(', ')}.`)
    if (bodies.length > 1)
      report([...keys, 'requestBody'], `Use one media type per request, not ${bodies.join(', ')}.`)
  }
})

/** Every body has an example, which people read and the tests send. */
const mediaExamples = () => ({
  MediaType(media, { report, location }) {
    const examples = Object.keys(media.examples ?? {})
    if (media.example === undefined && examples.length === 0)
      report({ message: 'A media type must have an example.', location })
  },
})

export const answerRules = {
  'expected-responses': expectedResponses,
  'response-headers': responseHeaders,
  'problem-responses': problemResponses,
  'one-media-type': oneMediaType,
  'media-examples': mediaExamples,
}
