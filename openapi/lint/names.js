/** Rules on names: their form, and that ids, times and operations are recognisable by their names. */
import { documentRule, operationsOf, schemasWithin } from './document.js'

const CAMEL_CASE = /^[a-z][a-zA-Z0-9]*$/
const PASCAL_CASE = /^[A-Z][a-zA-Z0-9]*$/
const TIMESTAMP = '#/components/schemas/Timestamp'

/** Calls `look` with the name, schema and place of every property and of every parameter. */
function namedValues(look) {
  return (options = {}) => ({
    Schema(schema, context) {
      const { location, report, resolve } = context
      for (const [name, raw] of Object.entries(schema.properties ?? {})) {
        const at = location.child(['properties', name])
        const tell = (message) => report({ message, location: at })
        look({ name, raw, schema: resolve(raw).node ?? {} }, tell, options)
      }
    },
    Parameter({ name, in: place, schema: raw = {} }, { location, report, resolve }) {
      if (place === 'header') return
      const tell = (message) => report({ message, location })
      look({ name, raw, schema: resolve(raw).node ?? {} }, tell, options)
    },
  })
}

/** Properties, and parameters other than headers, are camelCase. */
const camelCaseNames = namedValues(({ name }, report) => {
  if (!CAMEL_CASE.test(name)) report(`\`${name}\` must be camelCase.`)
})

/** Schemas are PascalCase: they become the names of types. */
const schemaNames = documentRule((root, report) => {
  for (const name of Object.keys(root.components?.schemas ?? {}))
    if (!PASCAL_CASE.test(name))
      report(['components', 'schemas', name], `The schema \`${name}\` must be PascalCase.`)
})

/**
 * No schema has the name of another with the prefix `New`: a generated Go client has a constructor of that
 * name and would not compile.
 */
const constructorNames = documentRule((root, report) => {
  const schemas = root.components?.schemas ?? {}
  for (const name of Object.keys(schemas))
    if (name.startsWith('New') && Object.hasOwn(schemas, name.slice(3)))
      report(['components', 'schemas', name], `\`${name}\` is a constructor in Go. Rename it.`)
})

/** Ids are UUIDs, apart from the properties in `except` and the schemas in `exceptSchemas`. */
const uuidIds = namedValues(({ name, raw, schema }, report, options) => {
  if (!/^id$|Id$/.test(name) || options.except?.includes(name)) return
  if (options.exceptSchemas?.some((one) => raw.$ref === `#/components/schemas/${one}`)) return
  if (schema.type !== 'string' || schema.format !== 'uuid')
    report(`The id \`${name}\` must be \`type: string, format: uuid\`.`)
})

/** Times, and only times, are named `…At`. `except` lists times that read better without it. */
const timesEndInAt = namedValues(({ name, schema }, report, { except = [] }) => {
  const isTime = schema.format === 'date-time'
  if (isTime && !name.endsWith('At') && !except.includes(name))
    report(`The time \`${name}\` must end in \`At\`.`)
  if (!isTime && /[a-z]At$/.test(name)) report(`\`${name}\` must be a time.`)
})

/** Times in responses have one form, `Timestamp`; requests may use any RFC 3339 time. */
const timestampsInAnswers = documentRule((root, report) => {
  const answers = operationsOf(root).map(({ operation }) => operation.responses)
  for (const name of schemasWithin(root, answers)) {
    const { properties = {} } = root.components?.schemas?.[name] ?? {}
    for (const [key, value] of Object.entries(properties)) {
      if (value.format !== 'date-time') continue
      const keys = ['components', 'schemas', name, 'properties', key]
      report(keys, `The time \`${key}\` of a response must be \`$ref: ${TIMESTAMP}\`.`)
    }
  }
})

/** `operationId` is camelCase and begins with one of `verbs`. */
const verbFirst = documentRule((root, report, { verbs = [] }) => {
  for (const { operation, keys } of operationsOf(root)) {
    const id = operation.operationId ?? ''
    const verb = /^[a-z]+/.exec(id)?.[0]
    if (CAMEL_CASE.test(id) && verbs.includes(verb)) continue
    report([...keys, 'operationId'], `\`${id}\` must be camelCase and begin with a known verb.`)
  }
})

export const nameRules = {
  'camel-case-names': camelCaseNames,
  'schema-names': schemaNames,
  'constructor-names': constructorNames,
  'uuid-ids': uuidIds,
  'times-end-in-at': timesEndInAt,
  'timestamps-in-answers': timestampsInAnswers,
  'verb-first': verbFirst,
}
