import type { Scope } from '../../../generated/api.ts'
import type { Dependencies } from '../dependencies.ts'
import type { Account, ApiKey, Nouns } from '../../store/store.ts'
import { type Access, found } from '../access/access.ts'
import type { ApiKeyCredentials } from './api-key-credentials.ts'
import { type Act, actorOf, type Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { LAST_INSTANT, readInstant } from '../text/instants.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'
import type { Principal } from '../access/principal.ts'
import { invalidRequest } from '../problem.ts'
import { scopesOfAccount } from '../access/scopes.ts'
import { cutLine } from '../text/single-line.ts'

/** A key with what it may do, which is what its service account may. */
export type KeyOfAccount = { key: ApiKey; scopes: readonly Scope[] }
export type NewKeyOfAccount = KeyOfAccount & { secret: string }
/** Who does it, by which call. */
type By = { caller: Principal; call: Call }
export type KeyPath = { serviceAccountId: string; apiKeyId: string }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors' | 'apiKeys'> & {
  access: Access
  audit: Audit
  credentials: ApiKeyCredentials
}

/**
 * Administering the keys of service accounts. Whoever makes a key holds it, and could do all that it
 * may: hence only for accounts that may do no more than the caller.
 */
export function createApiKeys(deps: Deps) {
  const { store, clock, access, audit, credentials } = deps

  const record = (
    nouns: Nouns,
    { caller, call }: By,
    of: Pick<Act, 'event'> & { id: string; accountId: string },
  ): Promise<void> => {
    const { event, id, accountId } = of
    const target = { kind: 'api-key', id } as const
    return audit.record(nouns, call, { event, actor: actorOf(caller), target, accountId })
  }

  const make = async (
    nouns: Nouns,
    by: By,
    account: Account,
    of: { name: string; expiresAt?: Date },
  ): Promise<NewKeyOfAccount> => {
    const { publicId, secret } = deps.apiKeys.mint()
    const key = await nouns.apiKeys.create({
      id: deps.ids.next(),
      accountId: account.id,
      publicId,
      hash: deps.apiKeys.hash(secret),
      now: clock.now(),
      ...of,
    })
    await record(nouns, by, { event: 'api-key.created', id: key.id, accountId: account.id })
    return { key, scopes: scopesOfAccount(account), secret }
  }

  return {
    /** The newest first, with those that have ended. @throws {Problem} not-found */
    async list(serviceAccountId: string, page: PageRequest): Promise<Page<KeyOfAccount>> {
      const account = await access.serviceAccount(serviceAccountId)
      const list = {
        filters: { list: 'api-keys', accountId: account.id },
        read: (limit: number, after?: CursorPosition) =>
          store.apiKeys.list({
            accountId: account.id,
            limit,
            ...(after && { after: String(after[0]) }),
          }),
        positionOf: (key: ApiKey) => [key.id],
      }
      const { data, ...rest } = await readPage(deps.cursors, list, page)
      const scopes = scopesOfAccount(account)
      return { data: data.map((key) => ({ key, scopes })), ...rest }
    },

    /** @throws {Problem} not-found, insufficient-scope; invalid-request for an end in the past */
    async create(
      caller: Principal,
      serviceAccountId: string,
      asked: { name: string; expiresAt?: string },
      call: Call,
    ): Promise<NewKeyOfAccount> {
      const account = await access.serviceAccountToManage(caller, serviceAccountId)
      const expiresAt =
        asked.expiresAt === undefined ? {} : requireFuture(asked.expiresAt, clock.now())
      const by = { caller, call }
      return store.atomically((nouns) =>
        make(nouns, by, account, { name: cutLine(asked.name), ...expiresAt }),
      )
    },

    /**
     * A new key for an old one, which goes on for a while.
     * @throws {Problem} not-found for a key that is not alive or has a successor; insufficient-scope
     */
    async rotate(
      caller: Principal,
      { serviceAccountId, apiKeyId }: KeyPath,
      overlapSeconds: number,
      call: Call,
    ): Promise<NewKeyOfAccount> {
      const account = await access.serviceAccountToManage(caller, serviceAccountId)
      const now = clock.now()
      const as = { overlapEndsAt: new Date(now.getTime() + overlapSeconds * 1000) }
      const made = await store.atomically(async (nouns) => {
        const which = { id: apiKeyId, accountId: account.id, now, as }
        const old = found(await nouns.apiKeys.end(which))
        const by = { caller, call }
        await record(nouns, by, { event: 'api-key.rotated', id: old.id, accountId: account.id })
        return make(nouns, by, account, { name: old.name, ...sameLife(old, now) })
      })
      credentials.note(apiKeyId.toLowerCase(), now)
      return made
    },

    /** @throws {Problem} not-found for a key that is not alive; insufficient-scope */
    async revoke(
      caller: Principal,
      { serviceAccountId, apiKeyId }: KeyPath,
      call: Call,
    ): Promise<void> {
      const account = await access.serviceAccountToManage(caller, serviceAccountId)
      const now = clock.now()
      await store.atomically(async (nouns) => {
        const which = { id: apiKeyId, accountId: account.id, now, as: { revokedAt: now } }
        const { id } = found(await nouns.apiKeys.end(which))
        const by = { caller, call }
        await record(nouns, by, { event: 'api-key.revoked', id, accountId: account.id })
      })
      // A UUID may come in capitals (RFC 9562 4).
      credentials.note(apiKeyId.toLowerCase(), now)
    },
  }
}

function requireFuture(text: string, now: Date): { expiresAt: Date } {
  const expiresAt = readInstant(text)
  if (expiresAt && expiresAt > now) return { expiresAt }
  const detail = 'must be a time in the future, up to the year 9999'
  throw invalidRequest({ in: 'body', pointer: '/expiresAt', code: 'format', detail })
}

/** The successor of a key that lived for 90 days lives for 90 days. */
function sameLife({ createdAt, expiresAt }: ApiKey, now: Date): { expiresAt?: Date } {
  if (!expiresAt) return {}
  const end = now.getTime() + expiresAt.getTime() - createdAt.getTime()
  return { expiresAt: new Date(Math.min(end, LAST_INSTANT.getTime())) }
}
