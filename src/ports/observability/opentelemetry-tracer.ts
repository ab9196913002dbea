import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import {
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer as SpanMaker,
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
import type { RequestFacts, RequestTrace, Step, Tracer } from './tracer.ts'

export type TracerOptions = {
  /** Where a collector accepts OTLP over HTTP as JSON: `http://localhost:4318/v1/traces`. */
  url: string
  /** `name=value,name=value`, percent-encoded, in OpenTelemetry's format. */
  headers: string | undefined
  serviceName: string
  version: string
}

/** If a collector does not respond, its batch is dropped after this time. */
const EXPORT_TIMEOUT_MS = 5_000
/** The methods that OpenTelemetry knows; all others share one name, because callers can invent them. */
const METHODS = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/

const propagator = new W3CTraceContextPropagator()

const unrecorded: Step = {
  within: (run) => run(),
  note: () => undefined,
  end: () => undefined,
}

/**
 * Makes spans where the code says so, and sends them to a collector in batches. Nothing is global: no
 * module is patched, and two servers in a process do not mix. OpenTelemetry's own variables set the
 * sampler, the batches and further attributes of the resource.
 */
export function createOpenTelemetryTracer(options: TracerOptions, log: Log): Tracer {
  const provider = new BasicTracerProvider({
    resource: resourceOf(options),
    spanProcessors: [new BatchSpanProcessor(createExporter(options, log))],
  })
  const tracer = provider.getTracer('parley', options.version)
  const under = new AsyncLocalStorage<Context>()
  return {
    request: (headers) => traceRequest(tracer, under, headers),
    step: (name) => traceStep(tracer, under, name),
    flush: () => provider.forceFlush(),
    close: () => provider.shutdown(),
  }
}

function traceRequest(
  tracer: SpanMaker,
  under: AsyncLocalStorage<Context>,
  headers: IncomingHttpHeaders,
): RequestTrace {
  const from = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
  const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, from)
  return {
    traceId: span.spanContext().traceId,
    within: (run) => under.run(trace.setSpan(from, span), run),
    end: (facts) => endRequest(span, facts),
  }
}

function traceStep(tracer: SpanMaker, under: AsyncLocalStorage<Context>, name: string): Step {
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
}

function resourceOf({ serviceName, version }: TracerOptions) {
  const ours = { 'service.name': serviceName, 'service.version': version }
  const given = detectResources({ detectors: [envDetector] })
  return defaultResource().merge(given).merge(resourceFromAttributes(ours))
}

/** Logs when spans are first lost and when they arrive again, not each batch. */
function createExporter({ url, headers }: TracerOptions, log: Log): SpanExporter {
  const given = parseKeyPairsIntoRecord(headers)
  const exporter = new OTLPTraceExporter({ url, headers: given, timeoutMillis: EXPORT_TIMEOUT_MS })
  let isLosing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const isLost = result.code !== ExportResultCode.SUCCESS
        // The reply of a collector may contain anything: it is not quoted.
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
