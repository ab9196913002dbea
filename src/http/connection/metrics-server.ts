import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import { sendQueues } from '../../ports/unacknowledged.ts'
import { Connections } from './connections.ts'
import { createPatientResponse } from './patient-response.ts'
import { ReaderWatch } from './slow-reader.ts'
import { takeInTurn } from './pipeline.ts'

const PATH = '/metrics'
type Parts = { meter: Meter; log: Log; clock: Clock }

/** A scraper sends a short request and waits for one response. */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, maxHeaderSize: 8 * 1024 }

/**
 * Serves `GET /metrics` for Prometheus and nothing else, on a port of its own: it is no part of the
 * contract, and callers of the API should not reach it.
 */
export function createMetricsServer({ meter, log, clock }: Parts): Server {
  const connections = new Connections(clock)
  const readers = new ReaderWatch(clock, sendQueues)
  const options = { ...LIMITS, ServerResponse: createPatientResponse({ connections, readers }) }
  const take = takeInTurn((req, res) => {
    const [path] = (req.url ?? '').split('?')
    if (path !== PATH) return respond(res, 404, 'Only /metrics is here.\n')
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD')
      return respond(res, 405, 'Only GET and HEAD.\n')
    }
    meter.exposition().then(
      ({ text, mediaType }) => respond(res, 200, text, mediaType),
      (error: unknown) => {
        log.error({ err: error }, 'metrics failed')
        respond(res, 500, 'The metrics could not be read.\n')
      },
    )
  })
  const server = createServer(options as never, take)
  connections.track(server)
  return server
}

function respond(res: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  res.statusCode = status
  res.setHeader('Content-Type', type)
  res.setHeader('Content-Length', Buffer.byteLength(text))
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.end(text)
}
