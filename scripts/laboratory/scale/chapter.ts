import type { Target } from '../bench/targets.ts'

/** The results of one part, as a section with a table. */
export type Chapter = {
  title: string
  /** Describes the measurement, before the table. */
  text: string
  heads: string[]
  rows: string[][]
  /** A remark after the table. */
  after?: string
  targets: Target[]
}

/** A target that is met if the figure is below the goal. @param unit includes its leading space */
export function below(what: string, goal: number, reached: number, unit: string): Target {
  const digits = Math.abs(goal) < 10 ? 2 : 1
  const isMet = reached < goal
  return { what, goal: `< ${goal}${unit}`, reached: reached.toFixed(digits) + unit, isMet }
}
