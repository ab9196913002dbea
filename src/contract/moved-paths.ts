import type { PathItem } from './document.ts'
import { ContractMistake, deprecationOf, refuseUnknownKeys } from './extensions.ts'
import type { MovedPath, Policy } from './policy.ts'

const SERVER_KEYS = ['x-deprecated-since', 'x-sunset']

/**
 * Reads the old URLs of a path: its servers other than the document's own. Each must be deprecated.
 * @throws {ContractMistake}
 */
export function movedPaths(
  path: string,
  item: PathItem,
  operations: readonly Policy[],
  basePath: string,
): MovedPath[] {
  const old = (item.servers ?? []).filter((server) => server.url !== basePath)
  return old.flatMap((server) => {
    const place = `#/paths/${path.replaceAll('/', '~1')}/servers`
    refuseUnknownKeys(server, SERVER_KEYS, place)
    const deprecation = deprecationOf(server, place)
    if (!deprecation) throw new ContractMistake(place, `${server.url} must be deprecated`)
    return operations
      .filter((operation) => operation.path === path)
      .map((policy) => {
        const { method, movedTo } = policy
        const successor = operations.find((operation) => operation.operationId === movedTo)
        const to = basePath + (successor?.path ?? path)
        return { from: server.url.replace(/\/$/, '') + path, to, method, policy, deprecation }
      })
  })
}
