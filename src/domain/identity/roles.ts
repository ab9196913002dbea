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

/** What a person with this role may do, in alphabetical order. */
export function scopesOf(role: 'user' | 'admin'): readonly Scope[] {
  return role === 'admin' ? ADMIN_SCOPES : USER_SCOPES
}

/** What an account may do: a person by role, a service account by the scopes it was given. */
export function scopesOfAccount(account: {
  role: 'user' | 'admin' | 'service'
  scopes: readonly string[]
}): readonly Scope[] {
  return account.role === 'service' ? knownScopes(account.scopes) : scopesOf(account.role)
}

/** Those of the scopes that the contract has, each once and in alphabetical order. */
export function knownScopes(scopes: readonly string[]): readonly Scope[] {
  return ADMIN_SCOPES.filter((scope) => scopes.includes(scope))
}

/** Nobody gives, or takes in hand, more than they hold. @throws {Problem} insufficient-scope */
export function requireScopes(
  caller: { scopes: readonly Scope[] },
  scopes: readonly Scope[],
): void {
  const missing = scopes.filter((scope) => !caller.scopes.includes(scope))
  if (missing.length === 0) return
  throw new Problem('insufficient-scope', { detail: `Missing scope: ${missing.join(' ')}.` })
}
