import type { Target } from '../bench/targets.ts'

/** One question about growth, answered by a table. */
export type Chapter = {
  title: string
  /** What was done, before the table. */
  text: string
  heads: string[]
  rows: string[][]
  /** What the table leaves to be said. */
  after?: string
  targets: Target[]
}

/** @param unit with its space; the figure has to stay below the goal */
export function below(what: string, goal: number, reached: number, unit: string): Target {
  const digits = Math.abs(goal) < 10 ? 2 : 1
  const isMet = reached < goal
  return { what, goal: `< ${goal}${unit}`, reached: reached.toFixed(digits) + unit, isMet }
}
