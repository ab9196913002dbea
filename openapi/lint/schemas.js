/** Rules on schemas: closed, named, bounded, and without keywords that generators read differently. */

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

/** Every object has `additionalProperties: false`: it contains only declared properties. */
const closedObjects = schemaRule((schema, report) => {
  if (isObject(schema) && schema.additionalProperties !== false)
    report('An object schema must have `additionalProperties: false`.')
})

/** No free-form objects: no client can be generated from them. */
const noFreeFormObjects = schemaRule((schema, report) => {
  if (schema.type === 'object' && Object.keys(schema.properties ?? {}).length === 0)
    report('An object schema must name its properties.')
})

/** Each generator invents its own name for an inline object. */
const noInlineObjects = schemaRule((schema, report, { location }) => {
  const inline = !NAMED.test(location.pointer)
  if (inline && (isObject(schema) || schema.oneOf))
    report('An object schema or `oneOf` must have a name in components/schemas.')
})

/** Every schema has one type: a schema without a type is free-form. */
const typedSchemas = schemaRule((schema, report) => {
  if (Array.isArray(schema.type)) report('`type` must be one value: a list is not OpenAPI 3.0.')
  else if (schema.type === undefined && schema.oneOf === undefined)
    report('A schema must have a `type` or be a `oneOf`.')
})

/** An absent value is a property that is left out. */
const noNullable = schemaRule((schema, report) => {
  if (schema.nullable !== undefined) report('Do not use `nullable`: leave the property out.')
})

/** Compositions contradict closed objects, and generators treat them differently. */
const noComposition = schemaRule((schema, report) => {
  for (const keyword of COMPOSITIONS)
    if (schema[keyword] !== undefined) report(`Do not use \`${keyword}\`: define one named schema.`)
})

/** The members of a `oneOf` differ in a required property whose values are all mapped. */
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

/** Numbers have bounds inside 2^53, so that every language represents them exactly. */
const boundedNumbers = schemaRule((schema, report) => {
  if (schema.type !== 'integer' && schema.type !== 'number') return
  if (!isSafe(schema.minimum) || !isSafe(schema.maximum))
    report(`${schema.type} must have \`minimum\` and \`maximum\` inside 2^53.`)
})

/** Unbounded text needs unbounded memory, in the server and in every client. */
const boundedStrings = schemaRule((schema, report) => {
  if (schema.type === 'string' && schema.enum === undefined && !isSafe(schema.maxLength))
    report('A string must have `maxLength`, or an `enum`.')
})

/** The same holds for arrays. */
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
