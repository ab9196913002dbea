import { StartRefused } from '../ports/start-refused.ts'

/**
 * All mistakes in the environment. They never quote the value of a variable: a secret may have been
 * pasted under the wrong name.
 */
export class ConfigMistakes extends StartRefused {
  override readonly name = 'ConfigMistakes'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(['The configuration is invalid:', ...mistakes].join('\n  - '))
    this.mistakes = mistakes
  }
}

/** The known name that was probably meant: at most three edits away, and at most half of the letters. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  if (!best || best.distance > Math.min(3, name.length / 2)) return undefined
  return best.candidate
}

/** The Levenshtein distance. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [taken, letter] of Array.from(from).entries()) {
    const above = row
    row = [taken + 1]
    for (let index = 1; index <= to.length; index += 1) {
      const change = above[index - 1]! + (letter === to[index - 1] ? 0 : 1)
      row.push(Math.min(change, above[index]! + 1, row[index - 1]! + 1))
    }
  }
  return row[to.length]!
}
