import { describe, expect, test } from 'vitest'
import { readInstant } from '../../src/domain/text/instants.ts'
import { contract, operationIds, operationOf } from '../support/contract/contract.ts'

describe('readInstant', () => {
  test.each([
    ['2030-01-01T00:00:00Z', '2030-01-01T00:00:00.000Z'],
    ['2030-01-01t23:59:59.9z', '2030-01-01T23:59:59.900Z'],
    ['2032-02-29T00:00:00.123999+23:59', '2032-02-28T00:01:00.123Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2016-12-31T15:59:60.5-08:00', '2017-01-01T00:00:00.500Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('reads %s as %s', (text, time) => {
    expect(readInstant(text)?.toISOString()).toBe(time)
  })

  test.each([
    ['hour 24', '2030-01-01T24:00:00Z'],
    ['minute 60', '2030-01-01T12:60:00Z'],
    ['a leap second on a day without one', '2016-12-30T23:59:60Z'],
    ['a leap second at noon', '2016-12-31T12:00:60Z'],
    ['the 30th of February', '2030-02-30T00:00:00Z'],
    ['the 29th of February of a common year', '2030-02-29T00:00:00Z'],
    ['the 31st of April', '2030-04-31T00:00:00Z'],
    ['day 0', '2030-01-00T00:00:00Z'],
    ['month 13', '2030-13-01T00:00:00Z'],
    ['an offset of 24 hours', '2030-01-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2030-01-01T00:00:00+01:60'],
    ['an offset without its colon', '2030-01-01T00:00:00+0100'],
    ['an offset without minutes', '2030-01-01T00:00:00+01'],
    ['no offset', '2030-01-01T00:00:00'],
    ['a space instead of T', '2030-01-01 00:00:00Z'],
    ['a point without digits', '2030-01-01T00:00:00.Z'],
    ['a line end', '2030-01-01T00:00:00Z\n'],
    ['full-width digits', '２030-01-01T00:00:00Z'],
    ['the year 0', '0000-01-01T00:00:00Z'],
    ['the second before 1970', '1969-12-31T23:59:59Z'],
    ['the year 10000', '9999-12-31T23:59:59-01:00'],
  ])('refuses %s', (_, text) => {
    expect(readInstant(text)).toBeUndefined()
  })
})

test('only the usage reports and API keys have times in their requests', () => {
  const operationsWithTimes = operationIds.flatMap((operationId) => {
    const { parameters = [], requestBody } = operationOf(operationId)
    const text = JSON.stringify([parameters, requestBody])
    return text.includes('"date-time"') ? [operationId] : []
  })

  expect(operationsWithTimes.toSorted()).toEqual(['getAllUsage', 'getUsage'])
  const schemas = Object.entries(contract.document.components.schemas)
  const inBodies = schemas.filter(([, schema]) => JSON.stringify(schema).includes('"date-time"'))
  expect(inBodies.map(([name]) => name)).toEqual(['ApiKeyCreation', 'Timestamp'])
})
