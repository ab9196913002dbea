import { ConfigMistakes, readConfig } from '../../src/config/config.ts'
import { rateLimitVariable, VARIABLES } from '../../src/config/variables.ts'

/** Names of rate limits of the contract. */
export const POLICIES = ['anonymous', 'user', 'chat', 'sign-in-address', 'sign-in-account']

/** All variables of Parley. */
export const NAMES = [...Object.keys(VARIABLES), ...POLICIES.map(rateLimitVariable)]

export const config = (env: Record<string, string> = {}) => readConfig(env, POLICIES)

/** The mistakes that `read` reports; none when it succeeds. */
export function mistakesIn(read: () => unknown): readonly string[] {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigMistakes) return error.mistakes
    throw error
  }
  return []
}
