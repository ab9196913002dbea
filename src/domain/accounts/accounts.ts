import type { Account } from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import type { SessionPrincipal } from '../access/principal.ts'
import type { Revocations } from '../access/revocations.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import { requireEmail } from '../identity/emails.ts'
import type { HashNewPassword } from '../identity/new-passwords.ts'
import { recordRevoked } from '../identity/open-sessions.ts'
import { tryPassword } from '../identity/sign-in-attempts.ts'
import type { Limits } from '../limits/limits.ts'
import { Problem } from '../problem.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import { cutLine } from '../text/single-line.ts'
import type { AccountClosure } from './account-closure.ts'

export type PasswordChange = { currentPassword: string; newPassword: string }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'passwords'> & {
  access: Access
  audit: Audit
  limits: Limits
  revocations: Revocations
  closure: AccountClosure
  hashNewPassword: HashNewPassword
  registration: 'open' | 'closed'
}

/** Registers users, and lets them change their password and close their account. */
export class Accounts {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** @throws {Problem} registration-closed, weak-password, email-taken */
  async register(
    asked: { email: string; password: string; displayName: string },
    call: Call,
  ): Promise<Account> {
    const { store, clock, ids, audit, registration, hashNewPassword } = this.#deps
    if (registration === 'closed') throw new Problem('registration-closed')
    const account = {
      id: ids.next(),
      role: 'user' as const,
      email: requireEmail(asked.email),
      displayName: cutLine(asked.displayName),
      passwordHash: await hashNewPassword(asked.password, call.hungUp),
      now: clock.now(),
    }
    return store.atomically(async (nouns) => {
      const created = await nouns.accounts.create(account)
      if (created === 'email-taken') throw new Problem('email-taken')
      const [actor, target] = [actorOf(created), actorOf(created)]
      await audit.record(nouns, call, { event: 'user.created', actor, target })
      return created
    })
  }

  /**
   * Revokes every other session of the caller.
   * @throws {Problem} invalid-credentials, weak-password, quota-exceeded
   */
  async changePassword(
    caller: SessionPrincipal,
    { currentPassword, newPassword }: PasswordChange,
    call: Call,
  ): Promise<void> {
    const { clock, access, revocations, hashNewPassword } = this.#deps
    const account = await access.account(caller)
    const from = await this.#requirePassword(account, currentPassword, call)
    const to = await hashNewPassword(newPassword, call.hungUp)
    const now = clock.now()
    for (const id of await this.#storePassword(caller, { from, to, now }, call)) {
      revocations.add(id, now)
    }
  }

  /** @throws {Problem} precondition-failed; invalid-request for the last administrator */
  async close(
    caller: SessionPrincipal,
    expectedVersions: readonly number[] | undefined,
    call: Call,
  ): Promise<void> {
    const { access, closure } = this.#deps
    const account = await access.account(caller)
    const [actor, target] = [actorOf(caller), actorOf(caller)]
    const act = { event: 'account.closed', actor, target } as const
    await closure.close(account, { expectedVersions, call, act }).catch(refuseClosed)
  }

  /** Returns the hash of the current password. */
  #requirePassword(account: Account, password: string, call: Call): Promise<string> {
    const { passwords, limits, audit } = this.#deps
    const [actor, target] = [actorOf(account), actorOf(account)]
    return tryPassword(
      limits,
      { email: account.email ?? account.id, call },
      async () => {
        const { passwordHash } = account
        const isRight = await passwords.verify(password, passwordHash, call.hungUp)
        return isRight ? passwordHash : undefined
      },
      () => audit.recordAlone(call, { event: 'password.refused', actor, target }),
    )
  }

  /** Returns the ids of the sessions that were revoked. */
  #storePassword(
    caller: SessionPrincipal,
    change: { from: string; to: string; now: Date },
    call: Call,
  ): Promise<string[]> {
    const { store, audit } = this.#deps
    const { id: accountId, sessionId: exceptId } = caller
    const [actor, target] = [actorOf(caller), actorOf(caller)]
    return store.atomically(async (nouns) => {
      const isStored = await nouns.accounts.changePassword({ id: accountId, ...change })
      // Another call has changed the password since it was checked.
      if (!isStored) throw new Problem('invalid-credentials')
      await audit.record(nouns, call, { event: 'password.changed', actor, target })
      const ids = await nouns.sessions.revokeOwned({ accountId, exceptId, now: change.now })
      await recordRevoked(nouns, audit, { accountId, actor, ids, call })
      return ids
    })
  }
}

/** An account that another call has closed in the meantime leaves a token that is not valid. */
function refuseClosed(error: unknown): never {
  if (error instanceof Problem && error.code === 'not-found') throw new Problem('token-invalid')
  throw error
}
