import type { Profile } from '../../generated/api.ts'
import { scopesOfAccount } from '../domain/access/scopes.ts'
import type { Account } from '../store/store.ts'
import { timestampView } from './timestamp.ts'

export function profileView(account: Account): Profile {
  const { email } = account
  const { defaultMode, locale, timeZone } = account.preferences
  return {
    id: account.id,
    ...(email !== undefined && { email }),
    displayName: account.displayName,
    role: account.role,
    scopes: [...scopesOfAccount(account)],
    preferences: {
      ...(defaultMode !== undefined && { defaultMode }),
      ...(locale !== undefined && { locale }),
      ...(timeZone !== undefined && { timeZone }),
    },
    createdAt: timestampView(account.createdAt),
    updatedAt: timestampView(account.updatedAt),
  }
}
