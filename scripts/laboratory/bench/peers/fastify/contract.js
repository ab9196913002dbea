import { readFileSync } from 'node:fs'

/** The contract as JSON, from the file CONTRACT. */
const document = JSON.parse(readFileSync(process.env.CONTRACT, 'utf8'))

/** Returns these operations in Fastify's form, with the schemas of their responses. */
export function operationsOf(ids) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    ['get', 'post'].flatMap((method) => {
      const operation = item[method]
      if (!operation || !ids.includes(operation.operationId)) return []
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(whole)
      const [status, response] = Object.entries(operation.responses)[0]
      const reply = whole(whole(response).content['application/json'].schema)
      const security = operation.security ?? document.security
      return {
        operationId: operation.operationId,
        method: method.toUpperCase(),
        url: `/api/v1${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
        isPublic: security.length === 0,
        isOptional: security.some((way) => Object.keys(way).length === 0),
        scopes: operation['x-scopes'] ?? [],
        policies: operation['x-rate-limit'] ?? [],
        reply,
        schema: {
          params: objectOf(parameters, 'path'),
          querystring: objectOf(parameters, 'query'),
          headers: objectOf(parameters, 'header'),
          ...(operation.requestBody && {
            body: whole(whole(operation.requestBody).content['application/json'].schema),
          }),
          response: { [status]: reply },
        },
      }
    }),
  )
}

/** Returns the schema of the parameters in one place; only headers may include undeclared ones. */
function objectOf(parameters, place) {
  const own = parameters.filter((parameter) => parameter.in === place)
  const nameOf = ({ name }) => (place === 'header' ? name.toLowerCase() : name)
  return {
    type: 'object',
    additionalProperties: place === 'header',
    required: own.filter(({ required }) => required).map(nameOf),
    properties: Object.fromEntries(own.map((one) => [nameOf(one), whole(one.schema)])),
  }
}

/** Returns a copy with every `$ref` replaced by its target. */
function whole(thing) {
  if (Array.isArray(thing)) return thing.map(whole)
  if (typeof thing !== 'object' || thing === null) return thing
  if (typeof thing.$ref === 'string') {
    const path = thing.$ref.replace(/^#\//, '').split('/')
    return whole(path.reduce((at, key) => at[key], document))
  }
  return Object.fromEntries(Object.entries(thing).map(([key, value]) => [key, whole(value)]))
}
