import type { Policy } from '../../../src/contract/policy.ts'
import type { OperationId } from '../../../src/contract/types.ts'
import { exampleBody as bodyOf, policies } from './contract.ts'

/** Every operation that has not moved. */
export const operations: readonly Policy[] = policies.operations.filter(
  ({ movedTo }) => movedTo === undefined,
)

/** The operations that redirect from old paths, and the base path. */
export const { moved, basePath } = policies

/** Returns the contract's example of the operation's body. */
export function exampleBody({ operationId }: Policy): Record<string, unknown> {
  return bodyOf(operationId as OperationId) as Record<string, unknown>
}

/** Returns the path of an operation with its parameters filled in. */
export function fillPath({ path }: Policy, valueOf: (name: string) => string): string {
  return basePath + path.replaceAll(/\{(\w+)\}/g, (_, name: string) => valueOf(name))
}

export function parametersOf({ path }: Policy): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
}
