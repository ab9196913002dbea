import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { eventIdOf, requireEventId } from '../../src/domain/chat/event-ids.ts'
import { Problem } from '../../src/domain/problem.ts'
import { expectedVersions } from '../../src/domain/calls/entity-tags.ts'

/** The code and the header of the problem that `work` throws, or its result. */
function refusalOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return [error.code, ...(error.facts.errors ?? []).map(({ pointer }) => pointer)]
  }
}

describe('If-Match', () => {
  test.each<[string | undefined, number[] | undefined]>([
    [undefined, undefined],
    ['*', undefined],
    [' * ', undefined],
    ['"3"', [3]],
    ['"3", "12" ,"4"', [3, 12, 4]],
    ['"3", "not,ours", "03", "0"', [3]],
    ['W/"3"', []],
    ['"3-gzip"', [3]],
    ['"3-br", "4--gzip", "5-zstd", "6-deflate"', [3, 4, 5, 6]],
    ['W/"3-gzip"', []],
    ['"3-other", "-gzip", "3-gzip-gzip"', []],
    ['"1000000000"', []],
  ])('%j expects the versions %j', (header, versions) => {
    expect(expectedVersions(header)).toEqual(versions)
  })

  test.each(['', '3', '"3', '"3" "4"', '"3",', 'w/"3"', '"3"; "4"'])('%j is refused', (header) => {
    expect(refusalOf(() => expectedVersions(header))).toEqual(['invalid-request', 'If-Match'])
  })
})

describe('Last-Event-ID', () => {
  const id = randomUUID()

  test('has the number of an event, for a generation in any case and for no other one', () => {
    expect(requireEventId(eventIdOf(id, 7), id)).toBe(7)
    expect(requireEventId(eventIdOf(id.toUpperCase(), 7), id)).toBe(7)
    expect(refusalOf(() => requireEventId(eventIdOf(randomUUID(), 7), id))).toEqual(['not-found'])
  })

  test.each(['', '7', id, `${id}:`, `${id}:-1`, `${id}:1e3`, `${id}:1234567890`, `${id}:7 `])(
    '%j is refused',
    (header) => {
      const refusal = refusalOf(() => requireEventId(header, id))

      expect(refusal).toEqual(['invalid-request', 'Last-Event-ID'])
    },
  )
})
