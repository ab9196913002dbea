/*
 * Fastify, tuned to do what Parley does: validates requests and responses against the contract, caches
 * verified tokens, sends rate limit headers, a request id and security headers, and logs one line for each
 * request. Queries, views and cursors are Parley's own code, so that the two differ only in the HTTP layer.
 */
import { hash, randomUUID } from 'node:crypto'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import Fastify from 'fastify'
import { pino } from 'pino'
import { operationsOf } from './contract.js'
import { createLimits } from './limits.js'
import { createHandlers } from './operations.js'
import { createAuthenticate } from './tokens.js'

const log = pino(
  { base: null },
  pino.destination({ dest: 1, sync: false, minLength: 12288, periodicFlush: 100 }),
)
const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }))
const coercing = addFormats.default(new Ajv({ strict: false, allErrors: true, coerceTypes: true }))

const app = Fastify({
  loggerInstance: log,
  disableRequestLogging: true,
  genReqId: (req) => req.headers['x-request-id'] ?? randomUUID(),
})
// Values in a URL are text; values in a body have their types.
app.setValidatorCompiler(({ schema, httpPart }) =>
  (httpPart === 'body' ? ajv : coercing).compile(schema),
)

app.decorateRequest('principal', null)
app.decorateRequest('limits', null)

const limits = await createLimits()
const authenticate = await createAuthenticate(hash)
const handlers = await createHandlers(limits)

app.addHook('onRequest', (req, reply, done) => {
  reply.header('X-Request-Id', req.id)
  reply.header('X-Content-Type-Options', 'nosniff')
  reply.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  reply.header('Referrer-Policy', 'no-referrer')
  done()
})
app.addHook('onResponse', (req, reply, done) => {
  const { operationId } = req.routeOptions.config
  const line = {
    requestId: req.id,
    operationId,
    method: req.method,
    status: reply.statusCode,
    durationMs: Math.round(reply.elapsedTime * 100) / 100,
    address: req.ip,
    principalId: req.principal?.id,
  }
  log.info(line, 'request')
  done()
})

for (const operation of operationsOf(Object.keys(handlers))) {
  const checkReply = ajv.compile(operation.reply)
  const { isPublic, isOptional, scopes, policies } = operation
  app.route({
    method: operation.method,
    url: operation.url,
    config: { operationId: operation.operationId },
    schema: operation.schema,
    handler: handlers[operation.operationId],
    onRequest: async (req) => {
      const { authorization } = req.headers
      if (isPublic || (isOptional && authorization === undefined)) return
      req.principal = await authenticate(authorization)
      if (scopes.some((scope) => !req.principal.scopes.includes(scope))) {
        throw Object.assign(new Error('Forbidden'), { statusCode: 403 })
      }
    },
    preValidation: policies.length === 0 ? undefined : limits.charge(policies),
    preSerialization: async (_req, reply, payload) => {
      if (reply.statusCode < 300 && !checkReply(payload)) {
        throw new Error(`contract violated: ${ajv.errorsText(checkReply.errors)}`)
      }
      return payload
    },
  })
}

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
