import type { Scope } from '../../../generated/api.ts'
import type { Account, ApiKey, Nouns } from '../../store/store.ts'
import { type Access, found } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import { scopesOfAccount } from '../access/scopes.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'
import { invalidRequest } from '../problem.ts'
import { type Act, actorOf, type Audit } from '../records/audit.ts'
import { LAST_INSTANT, readInstant } from '../text/instants.ts'
import { cutLine } from '../text/single-line.ts'
import type { ApiKeyCredentials } from './api-key-credentials.ts'

/** A key with its scopes, which are those of its service account. */
export type KeyOfAccount = { key: ApiKey; scopes: readonly Scope[] }
export type NewKeyOfAccount = KeyOfAccount & { secret: string }
export type KeyPath = { serviceAccountId: string; apiKeyId: string }
type NewKey = { name: string; expiresAt?: Date }
/** The administrator and its call, for the audit log. */
type By = { caller: Principal; call: Call }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors' | 'apiKeys'> & {
  access: Access
  audit: Audit
  credentials: ApiKeyCredentials
}

/**
 * Administers the keys of service accounts. An administrator who creates a key holds its secret and
 * could use it: hence only for service accounts without scopes that the administrator lacks.
 */
export class ApiKeys {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The newest first, expired and revoked ones included. @throws {Problem} not-found */
  async list(serviceAccountId: string, page: PageRequest): Promise<Page<KeyOfAccount>> {
    const { store, cursors, access } = this.#deps
    const account = await access.serviceAccount(serviceAccountId)
    const accountId = account.id
    const list = {
      filters: { list: 'api-keys', accountId },
      read: (limit: number, after?: CursorPosition) =>
        store.apiKeys.list({ accountId, limit, ...(after && { after: String(after[0]) }) }),
      positionOf: (key: ApiKey) => [key.id],
    }
    const { data, ...rest } = await readPage(cursors, list, page)
    const scopes = scopesOfAccount(account)
    return { data: data.map((key) => ({ key, scopes })), ...rest }
  }

  /** @throws {Problem} not-found, insufficient-scope; invalid-request for an expiry in the past */
  async create(
    caller: Principal,
    serviceAccountId: string,
    asked: { name: string; expiresAt?: string },
    call: Call,
  ): Promise<NewKeyOfAccount> {
    const { store, access } = this.#deps
    const account = await access.serviceAccountToManage(caller, serviceAccountId)
    const newKey = { name: cutLine(asked.name), ...this.#requireFuture(asked.expiresAt) }
    return store.atomically((nouns) => this.#mint(nouns, { caller, call }, account, newKey))
  }

  /**
   * Creates the successor of a key, which stays valid for the overlap.
   * @throws {Problem} not-found for a key that is not valid or has a successor; insufficient-scope
   */
  async rotate(
    caller: Principal,
    { serviceAccountId, apiKeyId }: KeyPath,
    overlapSeconds: number,
    call: Call,
  ): Promise<NewKeyOfAccount> {
    const { store, clock, access } = this.#deps
    const account = await access.serviceAccountToManage(caller, serviceAccountId)
    const now = clock.now()
    const as = { overlapEndsAt: new Date(now.getTime() + overlapSeconds * 1000) }
    const created = await store.atomically(async (nouns) => {
      const which = { id: apiKeyId, accountId: account.id, now, as }
      const old = found(await nouns.apiKeys.end(which))
      const by = { caller, call }
      await this.#record(nouns, by, { event: 'api-key.rotated', key: old })
      return this.#mint(nouns, by, account, { name: old.name, ...sameLifetime(old, now) })
    })
    this.#invalidate(apiKeyId, now)
    return created
  }

  /** @throws {Problem} not-found for a key that is not valid; insufficient-scope */
  async revoke(
    caller: Principal,
    { serviceAccountId, apiKeyId }: KeyPath,
    call: Call,
  ): Promise<void> {
    const { store, clock, access } = this.#deps
    const account = await access.serviceAccountToManage(caller, serviceAccountId)
    const now = clock.now()
    await store.atomically(async (nouns) => {
      const which = { id: apiKeyId, accountId: account.id, now, as: { revokedAt: now } }
      const key = found(await nouns.apiKeys.end(which))
      await this.#record(nouns, { caller, call }, { event: 'api-key.revoked', key })
    })
    this.#invalidate(apiKeyId, now)
  }

  async #mint(nouns: Nouns, by: By, account: Account, newKey: NewKey): Promise<NewKeyOfAccount> {
    const { clock, ids, apiKeys } = this.#deps
    const { publicId, secret } = apiKeys.mint()
    const key = await nouns.apiKeys.create({
      id: ids.next(),
      accountId: account.id,
      publicId,
      hash: apiKeys.hash(secret),
      now: clock.now(),
      ...newKey,
    })
    await this.#record(nouns, by, { event: 'api-key.created', key })
    return { key, scopes: scopesOfAccount(account), secret }
  }

  #record(
    nouns: Nouns,
    { caller, call }: By,
    { event, key }: Pick<Act, 'event'> & { key: ApiKey },
  ): Promise<void> {
    const target = { kind: 'api-key', id: key.id } as const
    const act = { event, actor: actorOf(caller), target, accountId: key.accountId }
    return this.#deps.audit.record(nouns, call, act)
  }

  /** A UUID in a path may be in upper case (RFC 9562 4). */
  #invalidate(apiKeyId: string, at: Date): void {
    this.#deps.credentials.invalidate(apiKeyId.toLowerCase(), at)
  }

  #requireFuture(text: string | undefined): { expiresAt?: Date } {
    if (text === undefined) return {}
    const expiresAt = readInstant(text)
    if (expiresAt && expiresAt > this.#deps.clock.now()) return { expiresAt }
    const detail = 'must be a time in the future, up to the year 9999'
    throw invalidRequest({ in: 'body', pointer: '/expiresAt', code: 'format', detail })
  }
}

/** The successor of a key that was valid for 90 days is valid for 90 days. */
function sameLifetime({ createdAt, expiresAt }: ApiKey, now: Date): { expiresAt?: Date } {
  if (!expiresAt) return {}
  const endMs = now.getTime() + expiresAt.getTime() - createdAt.getTime()
  return { expiresAt: new Date(Math.min(endMs, LAST_INSTANT.getTime())) }
}
