import {
  type ContractDocument,
  type ParameterObject,
  type Reference,
  resolve,
} from '../../../src/contract/document.ts'
import { policyOf } from './contract.ts'
import type { Exchange } from '../recorded-scenario/exchange.ts'

/** Where an example stands in the document, key by key. */
export type Place = readonly (string | number)[]
export type Examples = ReadonlyMap<string, { place: Place; value: unknown }>

/** What stands in the place of what is new each time, or secret. */
const STANDING_FOR: Readonly<Record<string, string>> = {
  accessToken: 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk5YjNhNCJ9.c2lnbmF0dXJl',
  refreshToken: 'parley_refresh_AZmzpAAAfAiAAAAAAAAAAAAAAAB3eHl6',
  prefix: 'parley_live_0aB3cD4eF5gH',
  secret: 'parley_live_0aB3cD4eF5gH_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM',
}
/** Whose answers show best what many operations have in common. */
const TYPICAL = 'sendMessage'

/** Every example of the document. */
export function documentExamples(document: ContractDocument): Examples {
  const found = new Map<string, { place: Place; value: unknown }>()
  const walk = (thing: unknown, place: Place) => {
    if (typeof thing !== 'object' || thing === null) return
    for (const [key, value] of Object.entries(thing)) {
      const here = [...place, Array.isArray(thing) ? Number(key) : key]
      if (key === 'example') found.set(here.join(' '), { place: here, value })
      else walk(value, here)
    }
  }
  walk(document.paths, ['paths'])
  walk(document.components, ['components'])
  return found
}

/** For each place of the document that has an example, what the story sent or was answered there. */
export function recordedExamples(document: ContractDocument, story: readonly Exchange[]): Examples {
  const recorded = new Map<string, { place: Place; value: unknown }>()
  const record = (place: Place, value: unknown) => {
    const key = place.join(' ')
    if (value !== undefined && !recorded.has(key))
      recorded.set(key, { place, value: masked(value) })
  }
  const typical = story.filter(({ operationId }) => operationId === TYPICAL)
  for (const exchange of [...typical, ...story]) {
    recordAnswer(document, exchange, record)
    if (exchange.status < 400) recordRequest(document, exchange, record)
  }
  return recorded
}

type Recorder = (place: Place, value: unknown) => void

function recordRequest(document: ContractDocument, exchange: Exchange, record: Recorder): void {
  const { place, operation } = operationOf(document, exchange)
  record([...place, 'requestBody', 'content', 'application/json', 'example'], exchange.request.body)
  const ofPath = document.paths[policyOf(exchange.operationId).path]!.parameters ?? []
  for (const [at, parameters] of [
    [place, operation.parameters ?? []],
    [place.slice(0, 2), ofPath],
  ] as const) {
    for (const [index, parameter] of parameters.entries()) {
      const { name, in: where } = resolve<ParameterObject>(document, parameter)
      const sent = {
        path: exchange.request.path,
        query: exchange.request.query,
        header: exchange.request.headers,
      }
      const value = sent[where as keyof typeof sent]?.[name]
      record([...placeOf(parameter, [...at, 'parameters', index]), 'example'], value)
    }
  }
}

function recordAnswer(document: ContractDocument, exchange: Exchange, record: Recorder): void {
  const { place, operation } = operationOf(document, exchange)
  const response = operation.responses[String(exchange.status)]!
  const at = placeOf(response, [...place, 'responses', String(exchange.status)])
  const { content = {}, headers = {} } = resolve(document, response)
  for (const mediaType of Object.keys(content)) {
    record([...at, 'content', mediaType, 'example'], shownOf(mediaType, exchange.body))
  }
  for (const [name, header] of Object.entries(headers)) {
    const { schema } = resolve<{ schema: { type: string } }>(document, header as Reference)
    const text = exchange.headers[name.toLowerCase()]
    const value = text !== undefined && schema.type === 'integer' ? Number(text) : text
    record([...placeOf(header as Reference, []), 'example'], value)
  }
}

/** Of a stream the first word, of lines the first one: the schema is that of one of them. */
function shownOf(mediaType: string, body: unknown): unknown {
  if (mediaType === 'application/x-ndjson') return (body as unknown[])[0]
  if (mediaType !== 'text/event-stream') return body
  return (body as { type: string }[]).find(({ type }) => type === 'message.delta')
}

function operationOf(document: ContractDocument, { operationId }: Exchange) {
  const { path, method } = policyOf(operationId)
  const operation = document.paths[path]![method]!
  return { place: ['paths', path, method] as Place, operation }
}

/** Where a thing truly stands: it may be a reference. */
function placeOf(thing: object, here: Place): Place {
  return '$ref' in thing ? (thing as Reference).$ref.slice(2).split('/') : here
}

/** The value with everything that is new each time, or secret, replaced by what stands for it. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, entry]) => [
    key,
    typeof entry === 'string' ? (STANDING_FOR[key] ?? entry) : masked(entry),
  ])
  return Object.fromEntries(entries)
}
