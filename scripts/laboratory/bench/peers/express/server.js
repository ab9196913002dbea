/*
 * Parley's libraries, set up as their own documentation shows: express-openapi-validator as one middleware
 * for the whole contract with both validations, jose for each request, rate-limiter-flexible in memory,
 * pino-http, and Prisma with its default queries.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import express from 'express'
import { middleware as openApiValidator } from 'express-openapi-validator'
import helmet from 'helmet'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { pinoHttp } from 'pino-http'
import { createRoutes } from './routes.js'

const keys = createLocalJWKSet(JSON.parse(readFileSync(process.env.JWKS, 'utf8')))

const app = express()
app.use(
  pinoHttp({
    genReqId(req, res) {
      const id = req.headers['x-request-id'] ?? randomUUID()
      res.setHeader('X-Request-Id', id)
      return id
    },
  }),
)
app.use(helmet())
app.use(express.json())
app.use(
  openApiValidator({
    apiSpec: process.env.CONTRACT,
    validateRequests: true,
    validateResponses: true,
    validateSecurity: {
      handlers: {
        async bearer(req) {
          const token = req.headers.authorization.slice('Bearer '.length)
          const { payload } = await jwtVerify(token, keys, {
            issuer: 'parley',
            audience: 'parley-api',
            typ: 'at+jwt',
          })
          req.principal = { id: payload.sub, scopes: payload.scope.split(' ') }
          return true
        },
        apiKey: () => false,
      },
    },
  }),
)
app.use('/api/v1', await createRoutes())
// Express recognises an error handler by its four parameters.
app.use((error, _req, res, _next) => {
  const { status = 500, message, errors } = error
  res.status(status).type('application/problem+json')
  res.send(JSON.stringify({ title: message, status, errors }))
})

app.listen(Number(process.env.PORT), '127.0.0.1')
