import { ConfigMistakes, nearest } from './mistakes.ts'
import { Unreadable, type Parse } from './values.ts'
import { OUR_PREFIXES, VARIABLES, type Variable, type VariableName } from './variables.ts'

/** Variables by name, as `process.env` has them. */
export type Env = Readonly<Record<string, string | undefined>>

/** Reads an environment and collects all mistakes in it, so that they are reported together. */
export interface Environment {
  /** A variable that has a default. After a mistake the value means nothing: see `finish`. */
  read<T>(name: VariableName, parse: Parse<T>): T
  /** A variable that may be missing; the name need not be in the table. */
  find<T>(name: string, parse: Parse<T>): T | undefined
  /**
   * Whether a variable is set. An empty one is not. A variable with a default must never be refused for being
   * set: a copied .env.example contains it.
   */
  has(name: VariableName): boolean
  /** Adds a mistake that concerns more than one variable. */
  refuse(mistake: string): void
  /** @throws ConfigMistakes if anything was wrong */
  finish(): void
}

/** @param env the variables; an empty one counts as not set */
export function createEnvironment(env: Env): Environment {
  const mistakes: string[] = []
  const attempt = <T>(name: string, text: string, parse: Parse<T>): T | undefined => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      mistakes.push(`${name} must be ${error.message}.`)
      return undefined
    }
  }
  const textOf = (name: string) => env[name] || undefined

  return {
    read: <T>(name: VariableName, parse: Parse<T>) => {
      const variable: Variable = VARIABLES[name]
      // Only after a mistake can it be undefined, and then `finish` throws before it is used.
      return attempt(name, textOf(name) ?? variable.default ?? '', parse) as T
    },
    find(name, parse) {
      const text = textOf(name)
      return text === undefined ? undefined : attempt(name, text, parse)
    },
    has: (name) => textOf(name) !== undefined,
    refuse(mistake) {
      mistakes.push(mistake)
    },
    finish() {
      if (mistakes.length > 0) throw new ConfigMistakes(mistakes)
    },
  }
}

/** One mistake for each name with a prefix of Parley's that is not a variable of Parley. */
export function misspeltNames(env: Env, known: readonly string[]): string[] {
  return Object.keys(env)
    .filter((name) => OUR_PREFIXES.some((prefix) => name.startsWith(prefix)))
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known)
      return `${name} is not a variable of Parley${meant ? `: did you mean ${meant}?` : ': remove it.'}`
    })
}
