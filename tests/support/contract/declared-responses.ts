import {
  type ContractDocument,
  operationsIn,
  resolve,
  type ResponseObject,
} from '../../../src/contract/document.ts'

/** A response as `operationId status mediaType`; the media type is `-` where there is no body. */
export type ResponseName = string

/** Returns every response that the contract declares. */
export function declaredResponses(document: ContractDocument): ResponseName[] {
  return operationsIn(document).flatMap(({ operationId, responses }) =>
    Object.entries(responses).flatMap(([status, response]) => {
      const { content }: ResponseObject = resolve(document, response)
      const types = content ? Object.keys(content) : ['-']
      return types.map((type) => [operationId, status, type].join(' '))
    }),
  )
}

/**
 * Compares the responses that the suite saw with those that the contract declares.
 * @param unseen responses that no test can provoke, each with its reason; one that was seen is a mistake
 */
export function countResponses(
  declared: readonly ResponseName[],
  seen: ReadonlySet<ResponseName>,
  unseen: Readonly<Record<ResponseName, string>>,
): { table: string; mistakes: string[] } {
  const isMissing = (name: ResponseName) => !seen.has(name)
  const missing = declared.filter((name) => isMissing(name) && !(name in unseen))
  const known = new Set(declared)
  return {
    table: tableOf(declared, isMissing),
    mistakes: [
      ...missing.map((name) => `${name}: declared, but no test saw it`),
      ...[...seen]
        .filter((name) => !known.has(name))
        .map((name) => `${name}: seen, but not declared`),
      ...Object.keys(unseen)
        .filter((name) => !known.has(name) || !isMissing(name))
        .map((name) => `${name}: remove it from the list of exceptions`),
    ],
  }
}

/** Returns a line for each operation with its statuses, those that no test saw in parentheses. */
function tableOf(declared: readonly ResponseName[], isMissing: (name: ResponseName) => boolean) {
  const rows = new Map<string, string[]>()
  for (const name of declared) {
    const [operationId = '', status = ''] = name.split(' ')
    const cell = isMissing(name) ? `(${status})` : status
    rows.set(operationId, [...(rows.get(operationId) ?? []), cell])
  }
  const seenCount = declared.filter((name) => !isMissing(name)).length
  const share = ((100 * seenCount) / declared.length).toFixed(1)
  return [
    ...[...rows].map(([operationId, cells]) => `${operationId.padEnd(24)} ${cells.join(' ')}`),
    `Contract coverage: ${seenCount} of ${declared.length} responses (${share} %)`,
  ].join('\n')
}
