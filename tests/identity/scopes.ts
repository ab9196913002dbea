import type { Scope } from '../../generated/api.ts'

/** The scopes of every user. */
export const USER_SCOPES: Scope[] = [
  'chat:write',
  'conversations:read',
  'conversations:write',
  'feedback:read',
  'feedback:write',
  'profile:read',
  'profile:write',
  'usage:read',
]

export const ALL_SCOPES: Scope[] = [
  'admin:audit',
  'admin:feedback',
  'admin:service-accounts',
  'admin:usage',
  'admin:users',
  ...USER_SCOPES,
]
