import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { Express, RequestHandler } from 'express'
import { Problem } from '../../domain/problem.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Certificate } from '../../ports/keys/certificate.ts'
import { sendQueues, type Unacknowledged } from '../../ports/unacknowledged.ts'
import type { BeforeHead } from '../response/head-check.ts'
import {
  createConnectionRefusal,
  createConnectRefusal,
  MAX_HEADER_BYTES,
  refusalOf,
} from './connection-problems.ts'
import { Connections } from './connections.ts'
import { createMessageClasses } from './messages.ts'
import { takeInTurn } from './pipeline.ts'
import { ReaderWatch } from './slow-reader.ts'

/**
 * What Node's parser accepts, and for how long it waits (CONTRACT: limits). `readBody` refuses a late
 * body before Node's own time for a request is over, as a problem of its operation.
 */
const LIMITS = {
  maxHeaderSize: MAX_HEADER_BYTES,
  // Node would refuse a request without Host with no body; `refusalOf` does it with a problem.
  requireHostHeader: false,
  headersTimeout: 15_000,
  requestTimeout: 40_000,
  connectionsCheckingInterval: 5_000,
  // Longer than proxies keep an idle connection (nginx and the large balancers: 60 s): if the server
  // closed first, it could meet the next call, and a POST that meets the close is a 502.
  keepAliveTimeout: 75_000,
}
/** A client that does not finish its handshake has no request that could time out. */
const HANDSHAKE = { handshakeTimeout: 15_000 }

/** What a server does with calls, and with what it cannot read as one. */
export type Journey = { handler: Express; refuse: RequestHandler; beforeHead: BeforeHead }

export type ServerOptions = {
  clock: Clock
  /** With it the server speaks HTTPS and nothing else. */
  certificate?: Certificate | undefined
  unacknowledged?: Unacknowledged | undefined
}

export type ConnectedServer = { server: Server; connections: Connections }

type Classes = ReturnType<typeof createMessageClasses>
type Take = RequestListener<Classes['IncomingMessage'], Classes['ServerResponse']>

/** An HTTP server around the app, and its connections. */
export function createServer(
  { handler: app, refuse, beforeHead }: Journey,
  { clock, certificate, unacknowledged = sendQueues }: ServerOptions,
): ConnectedServer {
  const connections = new Connections(clock)
  const observers = { connections, readers: new ReaderWatch(clock, unacknowledged) }
  const isStopping = () => !server.listening
  const classes = createMessageClasses(app, beforeHead, observers, isStopping)
  const take = takeInTurn(runBy(app, refuse)) as Take
  const options = { ...LIMITS, ...classes }
  const server: Server = certificate
    ? listenSecurely(createHttpsServer({ ...options, ...HANDSHAKE, ...certificate }, take))
    : (createHttpServer(options, take) as never)
  connections.track(server)
  // Node calls it when the server stops and would cut off what a proxy is sending; `stopServing` does
  // this in its own time.
  server.closeIdleConnections = () => undefined
  server.on('clientError', createConnectionRefusal(classes, refuse))
  server.on('connect', createConnectRefusal(classes, refuse) as never)
  takeExpectations(server, take)
  return { server, connections }
}

/** New connections get the new certificate; open ones keep theirs. */
export function renewCertificate(server: Server, certificate: Certificate): void {
  if (server instanceof HttpsServer) server.setSecureContext(certificate)
}

/** A client that does not speak TLS could not read a response: Node would try to send one. */
function listenSecurely<S extends NodeJS.EventEmitter>(server: S): S {
  server.removeAllListeners('tlsClientError')
  return server.on('tlsClientError', (_error: Error, socket: TLSSocket) => {
    socket.destroy()
  })
}

function takeExpectations(server: Server, take: Take): void {
  // RFC 9110 10.1.1 allows ignoring an expectation; Node would refuse it with no body.
  server.on('checkExpectation', take)
  // Node would ask for every body at once; `readBody` asks when nothing refuses the call any more.
  const takeAsking: Take = (req, res) => {
    req.awaitsContinue = true
    take(req, res)
  }
  server.on('checkContinue', takeAsking)
}

/** Hands calls to the app, and refuses those that Express would answer with a page of HTML. */
function runBy(app: RequestHandler, refuse: RequestHandler) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const [request, response] = [req, res] as unknown as Parameters<RequestHandler>
    const cut = () => void res.destroy()
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
  }
}
