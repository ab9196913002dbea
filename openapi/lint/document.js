/** Reads the parsed document, for the rules on operations. */

export const METHODS = ['get', 'put', 'post', 'patch', 'delete']

/** Follows a `$ref` within the document; returns anything else unchanged. */
export function resolve(root, thing) {
  if (typeof thing?.$ref !== 'string') return thing
  const keys = thing.$ref.replace(/^#\//, '').split('/')
  const names = keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  return resolve(
    root,
    names.reduce((at, name) => at?.[name], root),
  )
}

/** Returns every operation with its place, in document order. */
export function operationsOf(root) {
  return Object.entries(root.paths ?? {}).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((key) => METHODS.includes(key))
      .map((method) => ({ path, method, operation: item[method], keys: ['paths', path, method] })),
  )
}

/** Returns every response of every operation, with its `$ref` followed and its status as text. */
export function responsesOf(root) {
  return operationsOf(root).flatMap((entry) =>
    Object.entries(entry.operation.responses ?? {}).map(([status, response]) => ({
      ...entry,
      status,
      response: resolve(root, response) ?? {},
      keys: [...entry.keys, 'responses', status],
    })),
  )
}

/** Returns whether the operation counts against a rate limit. */
export function isLimited({ 'x-rate-limit': limits }) {
  return Array.isArray(limits) && limits.length > 0
}

/** Returns the names of the component schemas that these nodes use, directly or indirectly. */
export function schemasWithin(root, nodes) {
  const found = new Set()
  const seen = new Set()
  const walk = (thing) => {
    if (typeof thing !== 'object' || thing === null || seen.has(thing)) return
    seen.add(thing)
    const name = /^#\/components\/schemas\/(.+)$/.exec(thing.$ref ?? '')?.[1]
    if (name !== undefined) found.add(name)
    if (typeof thing.$ref === 'string') walk(resolve(root, thing))
    Object.values(thing).forEach(walk)
  }
  nodes.forEach(walk)
  return found
}

/** Makes a rule of `look(root, report)`, which sees the whole document and calls `report(keys, message)`. */
export function documentRule(look) {
  return (options) => ({
    Root(root, { report, location }) {
      look(root, (keys, message) => report({ message, location: location.child(keys) }), options)
    },
  })
}
