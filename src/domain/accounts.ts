import type { Dependencies } from '../dependencies.ts'
import type { Account } from '../store/store.ts'
import type { Access } from './access.ts'
import type { Call } from './call.ts'
import { requireEmail } from './emails.ts'
import type { Limits } from './limits.ts'
import { PASSWORD_LENGTH, type PasswordFault, type PasswordPolicy } from './password-policy.ts'
import type { Principal } from './principal.ts'
import { Problem } from './problem.ts'
import type { Revocations } from './revocations.ts'
import { tryPassword } from './sign-in-tries.ts'

export type Accounts = ReturnType<typeof createAccounts>

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'passwords'> & {
  access: Access
  limits: Limits
  revocations: Revocations
  passwordPolicy: PasswordPolicy
  registration: 'open' | 'closed'
}

const FAULTS: Readonly<Record<PasswordFault, string>> = {
  'too-short': `It needs at least ${PASSWORD_LENGTH.least} characters.`,
  'too-long': `It has at most ${PASSWORD_LENGTH.most} characters.`,
  'too-common': 'It is one of the commonest.',
  'unusable-character': 'It holds a character that cannot be typed.',
}

/** Making an account of one's own, and keeping it. */
export function createAccounts(deps: Deps) {
  const { store, clock, passwords, limits, revocations } = deps

  const refuseWeak = (password: string): void => {
    const fault = deps.passwordPolicy(password)
    if (fault) throw new Problem('weak-password', { detail: FAULTS[fault] })
  }

  return {
    /** @throws {Problem} registration-closed, weak-password, email-taken */
    async register(asked: {
      email: string
      password: string
      displayName: string
    }): Promise<Account> {
      if (deps.registration === 'closed') throw new Problem('registration-closed')
      const email = requireEmail(asked.email)
      refuseWeak(asked.password)
      const account = await store.accounts.create({
        id: deps.ids.next(),
        role: 'user',
        email,
        displayName: asked.displayName.trim(),
        passwordHash: await passwords.hash(asked.password),
        now: clock.now(),
      })
      if (account === 'email-taken') throw new Problem('email-taken')
      return account
    },

    /**
     * Every other session of the caller ends with the change.
     * @throws {Problem} invalid-credentials, weak-password, quota-exceeded
     */
    async changePassword(
      caller: Principal,
      { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
      call: Call,
    ): Promise<void> {
      const account = await deps.access.account(caller)
      const email = account.email ?? account.id
      await tryPassword(limits, { email, call }, async () => {
        const isRight = await passwords.verify(currentPassword, account.passwordHash)
        return isRight ? account : undefined
      })
      refuseWeak(newPassword)
      const now = clock.now()
      const ended = await store.accounts.changePassword({
        id: account.id,
        passwordHash: await passwords.hash(newPassword),
        exceptSessionId: caller.sessionId,
        now,
      })
      for (const id of ended ?? []) revocations.note(id, now)
    },
  }
}
