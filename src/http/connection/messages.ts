import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Express } from 'express'
import { announcesBody } from '../request/body.ts'
import type { BeforeHead } from '../response/head-check.ts'
import { connectionOn } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { createPatientResponse, type ResponseObservers } from './patient-response.ts'

/**
 * The classes of the requests and responses of one server.
 *
 * Express gives every request and response the app's prototypes by `Object.setPrototypeOf`, which
 * makes V8 drop what it knows of their shape. Here Node creates them with these prototypes from the
 * start, so that Express finds nothing to change: about twice the calls a second.
 * @param isStopping whether the server takes no new connections
 */
export function createMessageClasses(
  app: Express,
  beforeHead: BeforeHead,
  observers: ResponseObservers,
  isStopping: () => boolean,
) {
  class Request extends IncomingMessage {}
  const PatientResponse = createPatientResponse(observers)
  class Response extends PatientResponse {
    /** Express's own `json` looks up settings, charsets and ETags that Parley does not use. */
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
      // A proxy must not send its next call on a connection of a server that is stopping.
      else if (isStopping() && connectionOn(this.req.socket).waiting === 0)
        this.shouldKeepAlive = false
      beforeHead(this.req as never, this as never, status)
      return super.writeHead(status, ...rest)
    }
  }
  Object.setPrototypeOf(Request.prototype, app.request)
  Object.setPrototypeOf(PatientResponse.prototype, app.response)
  app.request = Request.prototype as unknown as typeof app.request
  app.response = Response.prototype as unknown as typeof app.response
  return { IncomingMessage: Request, ServerResponse: Response }
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
  // Node calls this after the response.
  socket.destroySoon = () => {
    req.removeAllListeners('data').resume()
    closeLingering(socket)
  }
}
