import type { Scope } from '../../../generated/api.ts'
import { Problem } from '../problem.ts'

const USER_SCOPES: readonly Scope[] = [
  'chat:write',
  'conversations:read',
  'conversations:write',
  'feedback:read',
  'feedback:write',
  'profile:read',
  'profile:write',
  'usage:read',
]

const ADMIN_SCOPES: readonly Scope[] = [
  'admin:audit',
  'admin:feedback',
  'admin:service-accounts',
  'admin:usage',
  'admin:users',
  ...USER_SCOPES,
]

/** The scopes of a user's role, in alphabetical order. */
export function scopesOf(role: 'user' | 'admin'): readonly Scope[] {
  return role === 'admin' ? ADMIN_SCOPES : USER_SCOPES
}

/**
 * The scopes of an account: a user's follow from the role, a service account's were given to it.
 */
export function scopesOfAccount(account: {
  role: 'user' | 'admin' | 'service'
  scopes: readonly string[]
}): readonly Scope[] {
  return account.role === 'service' ? knownScopes(account.scopes) : scopesOf(account.role)
}

/** The scopes that the contract still has, each once and in alphabetical order. */
export function knownScopes(scopes: readonly string[]): readonly Scope[] {
  return ADMIN_SCOPES.filter((scope) => scopes.includes(scope))
}

/**
 * Refuses a caller that grants scopes, or manages an account with scopes, which it lacks itself.
 * @throws {Problem} insufficient-scope
 */
export function requireScopes(
  caller: { scopes: readonly Scope[] },
  scopes: readonly Scope[],
): void {
  const missing = scopes.filter((scope) => !caller.scopes.includes(scope))
  if (missing.length === 0) return
  throw new Problem('insufficient-scope', { detail: `Missing scope: ${missing.join(' ')}.` })
}
