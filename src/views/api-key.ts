import type { ApiKey as ApiKeySchema, ApiKeyPage, ApiKeyWithSecret } from '../../generated/api.ts'
import { apiKeyPrefix } from '../domain/identity/api-key-format.ts'
import type { KeyOfAccount, NewKeyOfAccount } from '../domain/identity/api-keys.ts'
import type { Page } from '../domain/lists/paging.ts'
import { timestampView } from './timestamp.ts'

export function apiKeyView({ key, scopes }: KeyOfAccount): ApiKeySchema {
  const { expiresAt, lastUsedAt, overlapEndsAt, revokedAt } = key
  return {
    id: key.id,
    name: key.name,
    prefix: apiKeyPrefix(key.publicId),
    scopes: [...scopes],
    createdAt: timestampView(key.createdAt),
    ...(expiresAt && { expiresAt: timestampView(expiresAt) }),
    ...(lastUsedAt && { lastUsedAt: timestampView(lastUsedAt) }),
    ...(overlapEndsAt && { overlapEndsAt: timestampView(overlapEndsAt) }),
    ...(revokedAt && { revokedAt: timestampView(revokedAt) }),
  }
}

/** A new key: the only response that holds its secret. */
export function newApiKeyView({ key, scopes, secret }: NewKeyOfAccount): ApiKeyWithSecret {
  const { id, name, prefix, createdAt, expiresAt } = apiKeyView({ key, scopes })
  return {
    id,
    name,
    prefix,
    scopes: [...scopes],
    createdAt,
    ...(expiresAt !== undefined && { expiresAt }),
    secret,
  }
}

export function apiKeyPageView({ data, nextCursor }: Page<KeyOfAccount>): ApiKeyPage {
  return { data: data.map(apiKeyView), ...(nextCursor !== undefined && { nextCursor }) }
}
