import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import {
  ExportResultCode,
  parseKeyPairsIntoRecord,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import type { Log } from './log.ts'
import type { RequestFacts, Step, Tracer } from './tracer.ts'

export type TracerOptions = {
  /** Where OTLP is taken over HTTP, as JSON: `http://localhost:4318/v1/traces`. */
  url: string
  /** `name=value,name=value`, percent-encoded, as OpenTelemetry writes them. */
  headers: string | undefined
  serviceName: string
  version: string
}

/** A collector that does not answer must not hold what is collected for ever. */
const EXPORT_TIMEOUT_MS = 5_000
/** The methods that OpenTelemetry knows; any other is one name, for a caller can invent many. */
const METHODS = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/

const unrecorded: Step = {
  within: (run) => run(),
  note: () => undefined,
  end: () => undefined,
}

/**
 * Spans made at our own seams and sent in batches to a collector. Nothing is global: no module is
 * patched, and two servers in a process do not mix. The sampler, the batches and further attributes
 * of the resource are what OpenTelemetry's own variables say.
 */
export function createOpenTelemetryTracer(options: TracerOptions, log: Log): Tracer {
  const provider = new BasicTracerProvider({
    resource: resourceOf(options),
    spanProcessors: [new BatchSpanProcessor(createExporter(options, log))],
  })
  const tracer = provider.getTracer('parley', options.version)
  const propagator = new W3CTraceContextPropagator()
  const under = new AsyncLocalStorage<Context>()

  return {
    request(headers) {
      const from = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
      const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, from)
      return {
        traceId: span.spanContext().traceId,
        within: (run) => {
          under.run(trace.setSpan(from, span), run)
        },
        end: (facts) => {
          endRequest(span, facts)
        },
      }
    },

    step(name) {
      const parent = under.getStore()
      if (!parent) return unrecorded
      const span = tracer.startSpan(name, {}, parent)
      return {
        within: (run) => under.run(trace.setSpan(parent, span), run),
        note: (event) => void span.addEvent(event),
        end(error) {
          if (error !== undefined) fail(span, kindOf(error))
          span.end()
        },
      }
    },

    flush: () => provider.forceFlush(),
    close: () => provider.shutdown(),
  }
}

function resourceOf({ serviceName, version }: TracerOptions) {
  const ours = { 'service.name': serviceName, 'service.version': version }
  const given = detectResources({ detectors: [envDetector] })
  return defaultResource().merge(given).merge(resourceFromAttributes(ours))
}

/** Says in the log when spans begin to be lost, and when they arrive again; not for each batch. */
function createExporter({ url, headers }: TracerOptions, log: Log): SpanExporter {
  const given = parseKeyPairsIntoRecord(headers)
  const exporter = new OTLPTraceExporter({ url, headers: given, timeoutMillis: EXPORT_TIMEOUT_MS })
  let isLosing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const isLost = result.code !== ExportResultCode.SUCCESS
        // What the collector answers may be anything: it is not quoted.
        if (isLost && !isLosing) log.warn('traces are lost: the collector does not accept them')
        if (!isLost && isLosing) log.info('the collector accepts traces again')
        isLosing = isLost
        done(result)
      })
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  }
}

function endRequest(span: Span, facts: RequestFacts): void {
  const { route, operationId, status, problem } = facts
  const method = METHODS.test(facts.method) ? facts.method : '_OTHER'
  span.updateName(route === undefined ? method : `${method} ${route}`)
  span.setAttributes({
    'http.request.method': method,
    'parley.caller': facts.caller,
    'parley.request_id': facts.requestId,
    ...(status !== undefined && { 'http.response.status_code': status }),
    ...(route !== undefined && { 'http.route': route }),
    ...(operationId !== undefined && { 'parley.operation': operationId }),
    ...(problem !== undefined && { 'parley.problem': problem }),
    ...(facts.hungUp && { 'parley.hung_up': true }),
  })
  if (status !== undefined && status >= 500) fail(span, problem ?? String(status))
  span.end()
}

function fail(span: Span, kind: string): void {
  span.setAttribute('error.type', kind)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
