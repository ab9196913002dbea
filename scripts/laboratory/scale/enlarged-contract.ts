import {
  type Contract,
  type ContractDocument,
  type Method,
  METHODS,
  operationsIn,
  type PathItem,
} from '../../../src/contract/document.ts'

/** A longer contract, and the original of each copied operation. */
export type Enlarged = { contract: Contract; copies: ReadonlyMap<string, string> }

/**
 * Copies operations to other paths, round by round, until there are this many. The copies come before the
 * originals, so that a search in document order for an original passes all copies.
 */
export function enlarge({ yaml, document }: Contract, operations: number): Enlarged {
  const copies = new Map<string, string>()
  const paths: ContractDocument['paths'] = {}
  let missing = operations - operationsIn(document).length
  for (let round = 1; missing > 0; round += 1) {
    for (const [path, item] of Object.entries(document.paths)) {
      if (missing <= 0 || !isCopied(item)) continue
      const copy = copyOf(item, `Copy${round}`, copies)
      paths[`/copies/${round}${path}`] = copy
      missing -= METHODS.filter((method) => copy[method]).length
    }
  }
  return {
    contract: { yaml, document: { ...document, paths: { ...paths, ...document.paths } } },
    copies,
  }
}

/** Moved operations are deprecated redirects, which are not copied. */
function isCopied(item: PathItem): boolean {
  return METHODS.every((method) => !item[method]?.deprecated)
}

function copyOf(item: PathItem, suffix: string, copies: Map<string, string>): PathItem {
  const { servers: _, ...copy } = structuredClone(item)
  for (const method of METHODS) rename(copy, method, suffix, copies)
  return copy
}

function rename(item: PathItem, method: Method, suffix: string, copies: Map<string, string>): void {
  const operation = item[method]
  if (!operation) return
  const { operationId } = operation
  operation.operationId = `${operationId}${suffix}`
  copies.set(operation.operationId, operationId)
}
