import { headers, json, type Json, response, schema } from './tiny-parts.ts'

const TIME = '2026-11-23T09:00:00.000Z'
const ID = '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10'
const THING = { id: ID, name: 'Spoon', kind: 'small', createdAt: TIME }

const FAILURES = {
  '400': response('BadRequest'),
  '401': response('Unauthorized'),
  '403': response('Forbidden'),
}
const LATE_FAILURES = {
  '406': response('NotAcceptable'),
  '429': response('QuotaExceeded'),
  '500': response('Internal'),
}
const thingId = {
  name: 'thingId',
  in: 'path',
  required: true,
  description: 'The thing.',
  schema: { type: 'string', format: 'uuid', maxLength: 36 },
  example: ID,
}

function operation(operationId: string, more: Json): Json {
  return {
    operationId,
    tags: ['things'],
    summary: operationId,
    description: operationId,
    'x-scopes': ['things'],
    'x-rate-limit': ['user'],
    ...more,
  }
}

const things = () => ({
  get: operation('listThings', {
    parameters: [
      {
        name: 'limit',
        in: 'query',
        description: 'How many.',
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
        example: 20,
      },
    ],
    responses: {
      '200': {
        description: 'Things.',
        headers: headers(),
        content: json('ThingPage', { data: [THING] }),
      },
      ...FAILURES,
      ...LATE_FAILURES,
    },
  }),
  post: operation('createThing', {
    'x-problems': ['name-taken'],
    'x-idempotent': true,
    requestBody: {
      required: true,
      description: 'The thing.',
      content: json('ThingCreation', { name: 'Spoon' }),
    },
    responses: {
      '201': {
        description: 'Made.',
        headers: headers('Location'),
        content: json('Thing', THING),
      },
      ...FAILURES,
      ...LATE_FAILURES,
      '408': response('RequestTimeout'),
      '409': response('NameTaken'),
      '413': response('PayloadTooLarge'),
      '415': response('UnsupportedMediaType'),
    },
  }),
})

const thing = () => ({
  get: operation('getThing', {
    parameters: [thingId],
    responses: {
      '200': { description: 'It.', headers: headers(), content: json('Thing', THING) },
      ...FAILURES,
      ...LATE_FAILURES,
    },
  }),
  delete: operation('deleteThing', {
    deprecated: true,
    'x-deprecated-since': '2026-01-01',
    'x-sunset': '2026-06-01',
    parameters: [thingId],
    responses: {
      '204': { description: 'Gone.', headers: headers() },
      ...FAILURES,
      '429': response('QuotaExceeded'),
      '500': response('Internal'),
    },
  }),
})

const events = () => ({
  get: operation('streamEvents', {
    tags: ['events'],
    responses: {
      '200': {
        description: 'Events.',
        headers: headers(),
        content: {
          'text/event-stream': {
            schema: schema('ThingEvent'),
            example: { type: 'made', thing: THING },
          },
        },
      },
      ...FAILURES,
      ...LATE_FAILURES,
    },
  }),
})

/** Returns the paths of the smallest document. */
export const paths = () => ({
  '/things': things(),
  '/things/{thingId}': thing(),
  '/events': events(),
})
