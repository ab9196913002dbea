import { readConfig } from '../../src/config/config.ts'
import { rateLimitVariable, VARIABLES } from '../../src/config/variables.ts'

export const POLICIES = ['anonymous', 'user', 'chat', 'sign-in-address', 'sign-in-account']

export const NAMES = [...Object.keys(VARIABLES), ...POLICIES.map(rateLimitVariable)]

export const config = (env: Record<string, string> = {}) => readConfig(env, POLICIES)
