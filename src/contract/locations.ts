import { basePath, policies } from '../../generated/policies.ts'
import type { Input, OperationId } from './types.ts'

type PathParameters<K extends OperationId> = Input<K>['path']

/** Nothing to fill in where the path has no parameters. */
type Filling<K extends OperationId> = keyof PathParameters<K> extends never
  ? []
  : [parameters: PathParameters<K>]

/** The URL path of an operation, for `Location`. */
export function locationOf<K extends OperationId>(operationId: K, ...[given]: Filling<K>): string {
  const parameters = (given ?? {}) as Record<string, string>
  const path = policies[operationId].path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(parameters[name]!),
  )
  return basePath + path
}
