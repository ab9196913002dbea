import {
  type ContractDocument,
  METHODS,
  type OperationObject,
  type PathItem,
  type ServerEntry,
} from '../../src/contract/document.ts'

/** An operation and its place, by which documents are compared. */
export type Served = {
  /** Such as `GET /things/{}`: independent of the names of path parameters. */
  place: string
  path: string
  operation: OperationObject
}

/** Returns every operation of a document. */
export function servedBy(document: ContractDocument): Served[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method]
      const place = `${method.toUpperCase()} ${withoutNames(path)}`
      return operation ? [{ place, path, operation }] : []
    }),
  )
}

/** Turns `/things/{thingId}` into `/things/{}`. */
export function withoutNames(path: string): string {
  return path.replaceAll(/\{[^}]+\}/g, '{}')
}

/** Returns whether the `x-sunset` of an operation or server has come, so that it may be removed. */
export function mayGo(thing: OperationObject | ServerEntry, today: Date): boolean {
  const sunset = thing['x-sunset']
  return typeof sunset === 'string' && new Date(sunset) <= today
}

/** Returns the operations of a release that a document no longer has. */
export function goneFrom(released: ContractDocument, document: ContractDocument): Served[] {
  const places = new Set(servedBy(document).map(({ place }) => place))
  return servedBy(released).filter(({ place }) => !places.has(place))
}

/**
 * Returns the released document without the removed operations, and without the servers that were removed
 * after their `x-sunset`. Redocly can compare the rest: it would mistake a new path with a similar name for
 * a removed one.
 */
export function comparable(
  released: ContractDocument,
  document: ContractDocument,
  today: Date,
): ContractDocument {
  const copy = structuredClone(released)
  const gone = new Set(goneFrom(released, document).map(({ place }) => place))
  for (const [path, item] of Object.entries(copy.paths)) {
    for (const method of METHODS) {
      if (gone.has(`${method.toUpperCase()} ${withoutNames(path)}`))
        Reflect.deleteProperty(item, method)
    }
    if (METHODS.some((method) => item[method])) dropOldServers(item, itemAt(document, path), today)
    else Reflect.deleteProperty(copy.paths, path)
  }
  return copy
}

/** Finds the path item of a path, whatever its parameters are called. */
export function itemAt(document: ContractDocument, path: string): PathItem | undefined {
  const entries = Object.entries(document.paths)
  return entries.find(([other]) => withoutNames(other) === withoutNames(path))?.[1]
}

/** A server of a path is removed like an operation. A path with only the document's server lists none. */
function dropOldServers(item: PathItem, now: PathItem | undefined, today: Date): void {
  if (!item.servers) return
  const urls = now?.servers?.map(({ url }) => url) ?? []
  const left = item.servers.filter((entry) => urls.includes(entry.url) || !mayGo(entry, today))
  if (now?.servers === undefined && left.length < 2) delete item.servers
  else item.servers = left
}

/**
 * Returns the document with the root's `security` copied into every operation that has none. Redocly
 * compares the two places separately, and not their combined meaning.
 */
export function withSecurity(document: ContractDocument): ContractDocument {
  const copy = structuredClone(document)
  for (const { operation } of servedBy(copy)) {
    const security = operation.security ?? copy.security
    if (security) operation.security = structuredClone(security)
  }
  return copy
}
