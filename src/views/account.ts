import type {
  PersonalLimits as LimitsSchema,
  ServiceAccount,
  ServiceAccountPage,
  User,
  UserPage,
} from '../../generated/api.ts'
import type { Page } from '../domain/lists/paging.ts'
import { scopesOfAccount } from '../domain/access/scopes.ts'
import type { Account, PersonalLimits } from '../store/store.ts'
import { timestampView } from './timestamp.ts'

/** A user's account as administrators see it. */
export function userView(account: Account): User {
  return {
    id: account.id,
    email: account.email ?? '',
    displayName: account.displayName,
    role: account.role === 'admin' ? 'admin' : 'user',
    disabled: account.disabledAt !== undefined,
    limits: limitsView(account.limits),
    createdAt: timestampView(account.createdAt),
    updatedAt: timestampView(account.updatedAt),
  }
}

export function userPageView({ data, nextCursor }: Page<Account>): UserPage {
  return { data: data.map(userView), ...(nextCursor !== undefined && { nextCursor }) }
}

export function serviceAccountView(account: Account): ServiceAccount {
  return {
    id: account.id,
    name: account.displayName,
    scopes: [...scopesOfAccount(account)],
    disabled: account.disabledAt !== undefined,
    createdAt: timestampView(account.createdAt),
    updatedAt: timestampView(account.updatedAt),
  }
}

export function serviceAccountPageView(page: Page<Account>): ServiceAccountPage {
  const { data, nextCursor } = page
  return { data: data.map(serviceAccountView), ...(nextCursor !== undefined && { nextCursor }) }
}

function limitsView({ hourly, chatPerMinute }: PersonalLimits): LimitsSchema {
  return {
    ...(hourly !== undefined && { hourly }),
    ...(chatPerMinute !== undefined && { chatPerMinute }),
  }
}
