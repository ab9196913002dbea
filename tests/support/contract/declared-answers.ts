import {
  type ContractDocument,
  operationsIn,
  resolve,
  type ResponseObject,
} from '../../../src/contract/document.ts'

/** An answer as `operationId status mediaType`, the last `-` where there is no body. */
export type AnswerName = string

/** Every answer that the contract declares. */
export function declaredAnswers(document: ContractDocument): AnswerName[] {
  return operationsIn(document).flatMap(({ operationId, responses }) =>
    Object.entries(responses).flatMap(([status, response]) => {
      const { content }: ResponseObject = resolve(document, response)
      const types = content ? Object.keys(content) : ['-']
      return types.map((type) => [operationId, status, type].join(' '))
    }),
  )
}

/**
 * Holds what was seen against what is declared.
 * @param unseen answers that no test can see, each with its reason; one that was seen is a mistake
 */
export function countAnswers(
  declared: readonly AnswerName[],
  seen: ReadonlySet<AnswerName>,
  unseen: Readonly<Record<AnswerName, string>>,
): { table: string; mistakes: string[] } {
  const isMissing = (answer: AnswerName) => !seen.has(answer)
  const missing = declared.filter((answer) => isMissing(answer) && !(answer in unseen))
  const known = new Set(declared)
  return {
    table: tableOf(declared, isMissing),
    mistakes: [
      ...missing.map((answer) => `${answer}: declared, and seen by no test`),
      ...[...seen].filter((one) => !known.has(one)).map((one) => `${one}: seen, not declared`),
      ...Object.keys(unseen)
        .filter((answer) => !known.has(answer) || !isMissing(answer))
        .map((answer) => `${answer}: take it off the list of exceptions`),
    ],
  }
}

/** A line for each operation with its statuses; one that was not seen stands in brackets. */
function tableOf(declared: readonly AnswerName[], isMissing: (answer: AnswerName) => boolean) {
  const rows = new Map<string, string[]>()
  for (const answer of declared) {
    const [operationId = '', status = ''] = answer.split(' ')
    const cell = isMissing(answer) ? `(${status})` : status
    rows.set(operationId, [...(rows.get(operationId) ?? []), cell])
  }
  const seenCount = declared.filter((answer) => !isMissing(answer)).length
  const share = ((100 * seenCount) / declared.length).toFixed(1)
  return [
    ...[...rows].map(([operationId, cells]) => `${operationId.padEnd(24)} ${cells.join(' ')}`),
    `Contract coverage: ${seenCount} of ${declared.length} answers (${share} %)`,
  ].join('\n')
}
