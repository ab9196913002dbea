import {
  type ContractDocument,
  METHODS,
  type OperationObject,
  type PathItem,
  type ServerEntry,
} from '../../src/contract/document.ts'

/** An operation with its place, for comparing documents. */
export type Served = {
  /** `GET /things/{}`: the same whatever the parameters of the path are called. */
  place: string
  path: string
  operation: OperationObject
}

/** Every operation of a document. */
export function servedBy(document: ContractDocument): Served[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method]
      const place = `${method.toUpperCase()} ${withoutNames(path)}`
      return operation ? [{ place, path, operation }] : []
    }),
  )
}

/** `/things/{thingId}` as `/things/{}`. */
export function withoutNames(path: string): string {
  return path.replaceAll(/\{[^}]+\}/g, '{}')
}

/** Whether something was deprecated, and the day has come on which it may go. */
export function mayGo(thing: OperationObject | ServerEntry, today: Date): boolean {
  const sunset = thing['x-sunset']
  return typeof sunset === 'string' && new Date(sunset) <= today
}

/** Operations of a release that a document no longer has. */
export function goneFrom(released: ContractDocument, document: ContractDocument): Served[] {
  const places = new Set(servedBy(document).map(({ place }) => place))
  return servedBy(released).filter(({ place }) => !places.has(place))
}

/**
 * The released document without the operations that have gone, and without the old places of paths
 * that have rightly gone. What is left can be compared: redocly would take a path that is new for
 * one that is gone, if their names are alike.
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

/** The path item that stands at a path, whatever its parameters are called. */
export function itemAt(document: ContractDocument, path: string): PathItem | undefined {
  const entries = Object.entries(document.paths)
  return entries.find(([other]) => withoutNames(other) === withoutNames(path))?.[1]
}

/** A path's old place may go as an operation may. What lives only at the document's own says none. */
function dropOldServers(item: PathItem, now: PathItem | undefined, today: Date): void {
  if (!item.servers) return
  const urls = now?.servers?.map(({ url }) => url) ?? []
  const left = item.servers.filter((entry) => urls.includes(entry.url) || !mayGo(entry, today))
  if (now?.servers === undefined && left.length < 2) delete item.servers
  else item.servers = left
}

/**
 * The document with its root's `security` written into every operation that has none of its own:
 * redocly compares the two places, and not what they mean together.
 */
export function withSecurity(document: ContractDocument): ContractDocument {
  const copy = structuredClone(document)
  for (const { operation } of servedBy(copy)) {
    const security = operation.security ?? copy.security
    if (security) operation.security = structuredClone(security)
  }
  return copy
}
