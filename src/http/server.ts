import {
  createServer as createHttpServer,
  IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { Express } from 'express'
import type { Certificate } from '../ports/certificate.ts'
import type { AnswerGuard } from './answer-guard.ts'
import { answerOnSocket, LONGEST_HEADERS, refuseConnection } from './connection-problems.ts'
import { isLingering } from './lingering-close.ts'

/**
 * What Node's parser accepts, and for how long it waits (CONTRACT: limits). A body that is late is
 * refused by `readBody` before Node's own time for a request is over, as a problem of its operation.
 */
const LIMITS = {
  maxHeaderSize: LONGEST_HEADERS,
  // Node would refuse it without a body; `takeRequests` does it with a problem.
  requireHostHeader: false,
  headersTimeout: 15_000,
  requestTimeout: 40_000,
  connectionsCheckingInterval: 5_000,
}
/** A client that does not get through its handshake has no request that could time out. */
const HANDSHAKE = { handshakeTimeout: 15_000 }

/**
 * An HTTP server around the app.
 *
 * Express gives every request and response the app's prototypes by `Object.setPrototypeOf`, which
 * makes V8 forget what it knew of their shape. Here Node creates them with these prototypes from
 * the start, so that Express finds nothing to change: about twice the calls a second.
 * @param certificate with it the server speaks HTTPS and nothing else
 */
export function createServer(
  app: Express,
  guardAnswer: AnswerGuard,
  certificate?: Certificate,
): Server {
  class Request extends IncomingMessage {}
  class Response extends ServerResponse {
    /** Express's own `json` asks about settings, charsets and ETags that Parley does not use. */
    json(body: unknown): this {
      const text = JSON.stringify(body)
      if (!this.hasHeader('Content-Type')) this.setHeader('Content-Type', 'application/json')
      this.setHeader('Content-Length', Buffer.byteLength(text))
      this.end(text)
      return this
    }

    /** The one place that every head passes; Node calls it with the status that was set. */
    override writeHead(status: number, ...rest: never[]): this {
      guardAnswer(this.req as never, this as never, status)
      return super.writeHead(status, ...rest)
    }
  }
  Object.setPrototypeOf(Request.prototype, app.request)
  Object.setPrototypeOf(Response.prototype, app.response)
  app.request = Request.prototype as unknown as typeof app.request
  app.response = Response.prototype as unknown as typeof app.response

  const classes = { IncomingMessage: Request, ServerResponse: Response }
  const take = takeRequests(app) as RequestListener<typeof Request, typeof Response>
  const options = { ...LIMITS, ...classes }
  const server: Server = certificate
    ? listenSecurely(createHttpsServer({ ...options, ...HANDSHAKE, ...certificate }, take))
    : (createHttpServer(options, take) as never)
  server.on('clientError', refuseConnection)
  // RFC 9110 10.1.1 lets an expectation be ignored; Node would refuse it without a body.
  server.on('checkExpectation', take)
  return server
}

/** New connections get the new certificate; what is open goes on as it is. */
export function renewCertificate(server: Server, certificate: Certificate): void {
  if (server instanceof HttpsServer) server.setSecureContext(certificate)
}

/** Whoever speaks no TLS, plain HTTP say, could not read an answer: Node would try to give one. */
function listenSecurely<S extends NodeJS.EventEmitter>(server: S): S {
  server.removeAllListeners('tlsClientError')
  return server.on('tlsClientError', (_error: Error, socket: TLSSocket) => {
    socket.destroy()
  })
}

/** Hands requests to the app, and answers those that Express would answer with a page of HTML. */
function takeRequests(app: Express): RequestListener {
  return (req, res) => {
    // RFC 9112 9.6: what comes after the last answer is not done.
    if (isLingering(req.socket)) return
    // RFC 9112 3.2.
    if (req.headers.host === undefined && req.httpVersion === '1.1') {
      answerOnSocket('invalid-request', req.socket)
      return
    }
    app(req as never, res as never, (error?: unknown) => {
      // Without an error it is an address that cannot be parsed, such as `http://[`.
      if (res.headersSent) res.destroy()
      else answerOnSocket(error === undefined ? 'invalid-request' : 'internal', req.socket)
    })
  }
}
