/** A rule that single-line text of callers contains no line ends and no characters that change its display. */
import { operationsOf, resolve } from './document.js'

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** C0, DEL and C1 controls, line ends, and characters that reorder text, apart from U+200E and U+200F. */
const REFUSED = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  ...range(0x2028, 0x202e),
  ...range(0x2066, 0x2069),
].map((code) => String.fromCodePoint(code))

/** Matches most patterns. A schema with another pattern has an `example`. */
const LINE = 'aa'

/** Formats without such characters, and passwords, which are compared and never displayed. */
const FORMATS = ['uuid', 'date-time', 'password']

/**
 * Every string of a request has a pattern without these characters, unless `except` names the property
 * or parameter. Headers are lines by HTTP.
 */
function singleLines({ except = [] }) {
  return {
    Root(root, { report, location }) {
      for (const { name, schema, keys } of stringsOf(root)) {
        if (except.includes(name)) continue
        const message = complaintOf(schema)
        if (message !== undefined)
          report({ message: `\`${name}\` ${message}`, location: location.child(keys) })
      }
    },
  }
}

function complaintOf({ pattern, example = LINE, enum: values, format }) {
  if (values !== undefined || FORMATS.includes(format)) return undefined
  if (pattern === undefined) return 'must have a `pattern` that rejects more than a single line.'
  const expression = new RegExp(pattern, 'u')
  if (!expression.test(example)) return 'must have an `example` that matches its `pattern`.'
  const places = range(0, example.length)
  const taken = REFUSED.find((character) =>
    places.some((at) => expression.test(example.slice(0, at) + character + example.slice(at))),
  )
  if (taken === undefined) return undefined
  const code = taken.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')
  return `accepts U+${code}, which is not allowed in a single line.`
}

/** The strings of bodies, each schema once, and of parameters that are no headers. */
function stringsOf(root) {
  const found = []
  const seen = new Set()
  const walk = (name, raw, keys) => {
    const reference = raw?.$ref
    if (typeof reference === 'string') keys = reference.replace(/^#\//, '').split('/')
    const schema = resolve(root, raw) ?? {}
    if (seen.has(schema)) return
    seen.add(schema)
    if (schema.type === 'string') found.push({ name, schema, keys })
    if (schema.items) walk(name, schema.items, [...keys, 'items'])
    for (const [key, value] of Object.entries(schema.properties ?? {}))
      walk(key, value, [...keys, 'properties', key])
    for (const member of schema.oneOf ?? []) walk(name, member, keys)
  }
  for (const { path, operation, keys } of operationsOf(root)) {
    for (const parameter of [
      ...(root.paths[path].parameters ?? []),
      ...(operation.parameters ?? []),
    ]) {
      const { in: place, name, schema } = resolve(root, parameter) ?? {}
      if (place !== 'header') walk(name, schema, keys)
    }
    for (const { schema } of Object.values(resolve(root, operation.requestBody)?.content ?? {}))
      walk('body', schema, keys)
  }
  return found
}

export const lineRules = { 'single-lines': singleLines }
