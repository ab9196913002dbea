import type { ResponseObject } from './document.ts'

/** The media type of every problem, and of nothing else. */
export const PROBLEM_TYPE = 'application/problem+json'

type Documented = readonly (readonly [number, ResponseObject])[]

/** 304 and 308 are the journey's own, problems are thrown: the rest is a handler's to answer. */
export function repliesOf(responses: Documented): Map<number, string | undefined> {
  const own = responses
    .map((response) => [response[0], mediaTypeOf(response)] as const)
    .filter(([status, type]) => type !== PROBLEM_TYPE && status !== 304 && status !== 308)
  return new Map(own)
}

/** The statuses of problems. */
export function refusalsOf(responses: Documented): Set<number> {
  const refusals = responses.filter((response) => mediaTypeOf(response) === PROBLEM_TYPE)
  return new Set(refusals.map(([status]) => status))
}

function mediaTypeOf([, { content }]: Documented[number]): string | undefined {
  return Object.keys(content ?? {})[0]
}
