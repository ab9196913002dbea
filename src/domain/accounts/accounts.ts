import type { Dependencies } from '../dependencies.ts'
import type { Account } from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import type { AccountClosing } from './account-closure.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import { requireEmail } from '../identity/emails.ts'
import type { Limits } from '../limits/limits.ts'
import { recordRevoked } from '../identity/open-sessions.ts'
import type { HashNewPassword } from '../identity/new-passwords.ts'
import type { SessionPrincipal } from '../access/principal.ts'
import { Problem } from '../problem.ts'
import type { Revocations } from '../access/revocations.ts'
import { tryPassword } from '../identity/sign-in-attempts.ts'
import { cutLine } from '../text/single-line.ts'

export type PasswordChange = { currentPassword: string; newPassword: string }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'passwords'> & {
  access: Access
  audit: Audit
  limits: Limits
  revocations: Revocations
  closing: AccountClosing
  hashNewPassword: HashNewPassword
  registration: 'open' | 'closed'
}

/** Making an account of one's own, keeping it, and leaving. */
export function createAccounts(deps: Deps) {
  const { store, clock, access, audit, revocations, hashNewPassword } = deps

  return {
    /** @throws {Problem} registration-closed, weak-password, email-taken */
    async register(
      asked: { email: string; password: string; displayName: string },
      call: Call,
    ): Promise<Account> {
      if (deps.registration === 'closed') throw new Problem('registration-closed')
      const account = {
        id: deps.ids.next(),
        role: 'user' as const,
        email: requireEmail(asked.email),
        displayName: cutLine(asked.displayName),
        passwordHash: await hashNewPassword(asked.password, call.hungUp),
        now: clock.now(),
      }
      return store.atomically(async (nouns) => {
        const made = await nouns.accounts.create(account)
        if (made === 'email-taken') throw new Problem('email-taken')
        const [actor, target] = [actorOf(made), actorOf(made)]
        await audit.record(nouns, call, { event: 'user.created', actor, target })
        return made
      })
    },

    /**
     * Every other session of the caller ends with the change.
     * @throws {Problem} invalid-credentials, weak-password, quota-exceeded
     */
    async changePassword(
      caller: SessionPrincipal,
      { currentPassword, newPassword }: PasswordChange,
      call: Call,
    ): Promise<void> {
      const account = await access.account(caller)
      const [actor, target] = [actorOf(caller), actorOf(caller)]
      const noteRefusal = () =>
        audit.recordAlone(call, { event: 'password.refused', actor, target })
      const from = await tryPassword(
        deps.limits,
        { email: account.email ?? account.id, call },
        async () => {
          const { passwordHash } = account
          const isRight = await deps.passwords.verify(currentPassword, passwordHash, call.hungUp)
          return isRight ? passwordHash : undefined
        },
        noteRefusal,
      )
      const to = await hashNewPassword(newPassword, call.hungUp)
      const now = clock.now()
      const ended = await store.atomically(async (nouns) => {
        if (!(await nouns.accounts.changePassword({ id: account.id, from, to, now }))) {
          // Another call has changed it since it was checked.
          throw new Problem('invalid-credentials')
        }
        await audit.record(nouns, call, { event: 'password.changed', actor, target })
        const others = { accountId: account.id, exceptId: caller.sessionId, now }
        const ids = await nouns.sessions.revokeOwned(others)
        await recordRevoked(nouns, audit, { accountId: account.id, actor, ids, call })
        return ids
      })
      for (const id of ended) revocations.note(id, now)
    },

    /** @throws {Problem} precondition-failed; invalid-request for the last administrator */
    async close(
      caller: SessionPrincipal,
      expectedVersions: readonly number[] | undefined,
      call: Call,
    ): Promise<void> {
      const account = await access.account(caller)
      const [actor, target] = [actorOf(caller), actorOf(caller)]
      const act = { event: 'account.closed', actor, target } as const
      await deps.closing.close(account, { expectedVersions, call, act }).catch(asGone)
    },
  }
}

/** An account that was closed by another call in the meantime is a token that opens nothing. */
function asGone(error: unknown): never {
  if (error instanceof Problem && error.code === 'not-found') throw new Problem('token-invalid')
  throw error
}
