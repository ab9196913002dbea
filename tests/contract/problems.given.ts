import { expect } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { PROBLEMS } from '../../src/domain/problem.ts'
import type { WireResponse } from '../support/wire/wire.ts'

/** Expects everything that each response with a problem promises, and returns the problem. */
export function expectProblem(response: WireResponse, code: keyof typeof PROBLEMS): Problem {
  const problem = response.problem()
  const { status, title, retryable } = PROBLEMS[code]
  const type = `/docs/problems/${code}`
  expect(problem).toMatchObject({ code, status, title, retryable, type })
  expect(response.status).toBe(status)
  expect(response.headers['x-request-id']).toBe(problem.requestId)
  expect(response.headers['cache-control']).toBe('no-store')
  return problem
}
