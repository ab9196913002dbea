import {
  createServer as createHttpServer,
  IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { Express, RequestHandler } from 'express'
import { Problem } from '../../domain/problem.ts'
import type { Certificate } from '../../ports/keys/certificate.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import { sendQueues, type Unacknowledged } from '../../ports/unacknowledged.ts'
import type { BeforeHead } from '../response/head-check.ts'
import { announcesBody } from '../request/body.ts'
import {
  createConnectionRefusal,
  createConnectRefusal,
  LONGEST_HEADERS,
  refusalOf,
} from './connection-problems.ts'
import { connectionOn, type Connections, createConnections } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { createPatientResponse } from './patient-response.ts'
import { createReaderWatch } from './slow-reader.ts'
import { takeInTurn } from './pipeline.ts'

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
  // Longer than proxies keep an idle connection (nginx and the large balancers: 60 s): whoever closes
  // first meets the next call on it, and a POST that meets that is a 502.
  keepAliveTimeout: 75_000,
}
/** A client that does not get through its handshake has no request that could time out. */
const HANDSHAKE = { handshakeTimeout: 15_000 }

/** What a server does with calls, and with what is none. */
export type Journey = { handler: Express; refuse: RequestHandler; beforeHead: BeforeHead }

export type ServerOptions = {
  clock: Clock
  /** With it the server speaks HTTPS and nothing else. */
  certificate?: Certificate | undefined
  unacknowledged?: Unacknowledged | undefined
}

/** A server, and what of its connections can be told apart. */
export type ConnectedServer = { server: Server; connections: Connections }

/**
 * An HTTP server around the app.
 *
 * Express gives every request and response the app's prototypes by `Object.setPrototypeOf`, which
 * makes V8 forget what it knew of their shape. Here Node creates them with these prototypes from
 * the start, so that Express finds nothing to change: about twice the calls a second.
 */
export function createServer(
  { handler: app, refuse, beforeHead }: Journey,
  { clock, certificate, unacknowledged = sendQueues }: ServerOptions,
): ConnectedServer {
  const readers = createReaderWatch(clock, unacknowledged)
  class Request extends IncomingMessage {}
  const connections = createConnections(clock)
  const PatientResponse = createPatientResponse({ connections, readers })
  class Response extends PatientResponse {
    /** Express's own `json` asks about settings, charsets and ETags that Parley does not use. */
    json(body: unknown): this {
      const text = JSON.stringify(body)
      if (!this.hasHeader('Content-Type')) this.setHeader('Content-Type', 'application/json')
      this.setHeader('Content-Length', Buffer.byteLength(text))
      this.end(text as never)
      return this
    }

    /** The one place that every head passes; Node calls it with the status that was set. */
    override writeHead(status: number, ...rest: never[]): this {
      if (isLast(this.req)) endConnection(this)
      // What stops takes no more calls: a proxy must not send its next one on this connection.
      else if (!server.listening && connectionOn(this.req.socket).waiting === 0)
        this.shouldKeepAlive = false
      beforeHead(this.req as never, this as never, status)
      return super.writeHead(status, ...rest)
    }
  }
  Object.setPrototypeOf(Request.prototype, app.request)
  Object.setPrototypeOf(PatientResponse.prototype, app.response)
  app.request = Request.prototype as unknown as typeof app.request
  app.response = Response.prototype as unknown as typeof app.response

  const classes = { IncomingMessage: Request, ServerResponse: Response }
  const take = takeInTurn(runBy(app, refuse)) as RequestListener<typeof Request, typeof Response>
  const options = { ...LIMITS, ...classes }
  const server: Server = certificate
    ? listenSecurely(createHttpsServer({ ...options, ...HANDSHAKE, ...certificate }, take))
    : (createHttpServer(options, take) as never)
  connections.track(server)
  // Node would call it when the server stops, and cut off what a proxy is just sending; `stopServing` does it.
  server.closeIdleConnections = () => undefined
  server.on('clientError', createConnectionRefusal(classes, refuse))
  server.on('connect', createConnectRefusal(classes, refuse) as never)
  // RFC 9110 10.1.1 lets an expectation be ignored; Node would refuse it without a body.
  server.on('checkExpectation', take)
  // Node would ask for every body at once; `readBody` does, when nothing refuses the call any more.
  const takeAsking: typeof take = (req, res) => {
    req.awaitsContinue = true
    take(req, res)
  }
  server.on('checkContinue', takeAsking)
  return { server, connections }
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

/** Hands calls to the app, and answers those that Express would answer with a page of HTML. */
function runBy(app: RequestHandler, refuse: RequestHandler) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const [request, response] = [req, res] as unknown as Parameters<RequestHandler>
    const problem = refusalOf(req)
    if (problem) {
      req.refusal = problem
      refuse(request, response, cut)
      return
    }
    app(request, response, (error?: unknown) => {
      if (res.headersSent || error !== undefined) {
        cut()
        return
      }
      // An address that cannot be parsed, such as `http://[`: no step has seen it.
      req.refusal = new Problem('invalid-request')
      req.url = '/'
      refuse(request, response, cut)
    })
    function cut(): void {
      res.destroy()
    }
  }
}

/** A body that was not read to its end would be taken for the next request on the connection. */
function isLast(req: IncomingMessage): boolean {
  return req.refusal !== undefined || (!req.complete && announcesBody(req))
}

function endConnection(res: ServerResponse): void {
  const { req } = res
  const { socket } = req
  res.shouldKeepAlive = false
  connectionOn(socket).isOver = true
  // Node calls this after the answer.
  socket.destroySoon = () => {
    req.removeAllListeners('data').resume()
    closeLingering(socket)
  }
}
