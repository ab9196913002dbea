/** The dialect of schemas: closed, named, bounded, and nothing that generators read differently. */

const NAMED = /^#\/components\/schemas\/[^/]+$/
const COMPOSITIONS = ['anyOf', 'allOf', 'not']

const isObject = (schema) => schema.type === 'object' || schema.properties !== undefined

function schemaRule(look) {
  return () => ({
    Schema(schema, context) {
      look(schema, (message) => context.report({ message, location: context.location }), context)
    },
  })
}

const isSafe = (bound) => Number.isSafeInteger(bound)

/** `additionalProperties: false` on every object: what is not named is not there. */
const closedObjects = schemaRule((schema, report) => {
  if (isObject(schema) && schema.additionalProperties !== false)
    report('An object schema must have `additionalProperties: false`.')
})

/** No free-form object: it says nothing that a client could be generated from. */
const noFreeFormObjects = schemaRule((schema, report) => {
  if (schema.type === 'object' && Object.keys(schema.properties ?? {}).length === 0)
    report('An object schema must name its properties.')
})

/** Generators invent a name for an inline object, each its own. */
const noInlineObjects = schemaRule((schema, report, { location }) => {
  const inline = !NAMED.test(location.pointer)
  if (inline && (isObject(schema) || schema.oneOf))
    report('An object schema or `oneOf` must have a name in components/schemas.')
})

/** Every schema says its one type: an untyped schema is free-form. */
const typedSchemas = schemaRule((schema, report) => {
  if (Array.isArray(schema.type)) report('`type` must be one value: a list is not OpenAPI 3.0.')
  else if (schema.type === undefined && schema.oneOf === undefined)
    report('A schema must have a `type` or be a `oneOf`.')
})

/** An absent value is a property that is left out. */
const noNullable = schemaRule((schema, report) => {
  if (schema.nullable !== undefined) report('Do not use `nullable`: leave the property out.')
})

/** Compositions contradict closed objects, and each generator has its own idea of them. */
const noComposition = schemaRule((schema, report) => {
  for (const keyword of COMPOSITIONS)
    if (schema[keyword] !== undefined) report(`Do not use \`${keyword}\`: define one named schema.`)
})

/** A `oneOf` is told apart by a required property whose values are all mapped. */
const discriminatedOneOf = schemaRule((schema, report, { resolve }) => {
  if (schema.oneOf === undefined) return
  const { propertyName, mapping = {} } = schema.discriminator ?? {}
  if (propertyName === undefined) return report('A `oneOf` must have a discriminator.')
  const members = schema.oneOf.map((member) => member.$ref ?? 'an inline schema')
  const mapped = Object.values(mapping)
  if ([...members].sort().join() !== [...mapped].sort().join())
    report('The mapping must name each member of the `oneOf` once and nothing else.')
  for (const [value, $ref] of Object.entries(mapping)) {
    const member = resolve({ $ref }).node ?? {}
    if (!member.required?.includes(propertyName))
      report(`${$ref} must require \`${propertyName}\`.`)
    const values = member.properties?.[propertyName]?.enum
    if (values?.length !== 1 || values[0] !== value)
      report(`\`${propertyName}\` of ${$ref} must have only the value '${value}'.`)
  }
})

/** Numbers that every language holds exactly: bounds inside 2^53. */
const boundedNumbers = schemaRule((schema, report) => {
  if (schema.type !== 'integer' && schema.type !== 'number') return
  if (!isSafe(schema.minimum) || !isSafe(schema.maximum))
    report(`${schema.type} must have \`minimum\` and \`maximum\` inside 2^53.`)
})

/** Text of unbounded length is memory of unbounded size, here and in every client. */
const boundedStrings = schemaRule((schema, report) => {
  if (schema.type === 'string' && schema.enum === undefined && !isSafe(schema.maxLength))
    report('A string must have `maxLength`, or an `enum`.')
})

/** As for text. */
const boundedArrays = schemaRule((schema, report) => {
  if (schema.type !== 'array') return
  if (!isSafe(schema.maxItems)) report('An array must have `maxItems`.')
})

export const schemaRules = {
  'closed-objects': closedObjects,
  'no-free-form-objects': noFreeFormObjects,
  'no-inline-objects': noInlineObjects,
  'typed-schemas': typedSchemas,
  'no-nullable': noNullable,
  'no-composition': noComposition,
  'discriminated-one-of': discriminatedOneOf,
  'bounded-numbers': boundedNumbers,
  'bounded-strings': boundedStrings,
  'bounded-arrays': boundedArrays,
}
