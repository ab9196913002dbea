import type { Scope } from '../../generated/api.ts'

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

/** What a role may do, in alphabetical order. A service account has the scopes it was given. */
export function scopesOf(role: 'user' | 'admin' | 'service'): readonly Scope[] {
  if (role === 'admin') return ADMIN_SCOPES
  return role === 'user' ? USER_SCOPES : []
}
