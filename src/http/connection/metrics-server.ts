import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import { sendQueues } from '../../ports/unacknowledged.ts'
import { createConnections } from './connections.ts'
import { createPatientResponse } from './patient-response.ts'
import { createReaderWatch } from './slow-reader.ts'
import { takeInTurn } from './pipeline.ts'

const PATH = '/metrics'
type Parts = { meter: Meter; log: Log; clock: Clock }

/** A scraper asks for one line and waits for one answer. */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, maxHeaderSize: 8 * 1024 }

/**
 * What Prometheus reads, on a port of its own: it is no part of the contract, and whoever may call
 * the API has no business here. It answers `GET /metrics` and nothing else.
 */
export function createMetricsServer({ meter, log, clock }: Parts): Server {
  const connections = createConnections(clock)
  const readers = createReaderWatch(clock, sendQueues)
  const options = { ...LIMITS, ServerResponse: createPatientResponse({ connections, readers }) }
  const take = takeInTurn((req, res) => {
    const [path] = (req.url ?? '').split('?')
    if (path !== PATH) answer(res, 404, 'Only /metrics is here.\n')
    else if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD')
      answer(res, 405, 'Only GET and HEAD.\n')
    } else
      meter.exposition().then(
        ({ text, mediaType }) => answer(res, 200, text, mediaType),
        (error: unknown) => {
          log.error({ err: error }, 'metrics failed')
          answer(res, 500, 'The metrics could not be read.\n')
        },
      )
  })
  const server = createServer(options as never, take)
  connections.track(server)
  return server
}

function answer(res: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  res.statusCode = status
  res.setHeader('Content-Type', type)
  res.setHeader('Content-Length', Buffer.byteLength(text))
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.end(text)
}
