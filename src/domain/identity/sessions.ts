import type { Account, Nouns, Session } from '../../store/store.ts'
import type { Revocations } from '../access/revocations.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import { addressSubject } from '../limits/limit-subjects.ts'
import type { Limits } from '../limits/limits.ts'
import { Problem } from '../problem.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import { lineOf } from '../text/single-line.ts'
import { requireEmail } from './emails.ts'
import { checkPassword } from './password-check.ts'
import { rotateSession } from './session-rotation.ts'
import { tryPassword } from './sign-in-attempts.ts'
import { issueTokenPair, type TokenPair } from './token-pairs.ts'

/** Each refresh extends a session, but never beyond this long after its login. */
const LONGEST_SESSION_MS = 30 * 86_400_000

type Deps = Pick<
  Dependencies,
  'store' | 'clock' | 'ids' | 'passwords' | 'accessTokens' | 'refreshTokens'
> & { limits: Limits; revocations: Revocations; audit: Audit; refreshTtlSeconds: number }

/** Logs users in and refreshes their tokens. */
export class Sessions {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * @throws {Problem} invalid-credentials, alike in text and time for an unknown account;
   *   account-disabled after the correct password only; quota-exceeded
   */
  async logIn(
    { email, password }: { email: string; password: string },
    call: Call,
  ): Promise<TokenPair> {
    const account = await this.#authenticate(requireEmail(email), password, call)
    const outcome = await this.#open(account, call)
    if (typeof outcome === 'object') {
      return issueTokenPair(this.#deps, outcome.account, outcome.session)
    }
    await this.#recordRefusal(account, call)
    throw new Problem(outcome)
  }

  /**
   * @throws {Problem} token-invalid, token-expired, account-disabled; refresh-token-reused, after
   *   the session was revoked
   */
  async refresh(refreshToken: string, call: Call): Promise<TokenPair> {
    try {
      return await this.#rotate(refreshToken, call)
    } catch (error) {
      await this.#countFailure(error, call)
      throw error
    }
  }

  async #authenticate(email: string, password: string, call: Call): Promise<Account> {
    const { store, limits } = this.#deps
    let account: Account | undefined
    return tryPassword(
      limits,
      { email, call },
      async () => {
        account = await store.accounts.findByEmail(email)
        return checkPassword(this.#deps, account, password, call.hungUp)
      },
      () => this.#recordRefusal(account, call),
    )
  }

  /**
   * Opens a session, unless the account was disabled, closed or given another password since the
   * check.
   */
  #open(
    { id, passwordHash }: Account,
    call: Call,
  ): Promise<{ account: Account; session: Session } | 'invalid-credentials' | 'account-disabled'> {
    return this.#deps.store.atomically(async (nouns) => {
      const account = await nouns.accounts.lockForSignIn({ id, passwordHash: passwordHash! })
      if (!account) return 'invalid-credentials'
      if (account.disabledAt) return 'account-disabled'
      return { account, session: await this.#create(nouns, account, call) }
    })
  }

  async #create(nouns: Nouns, account: Account, call: Call): Promise<Session> {
    const { clock, ids, audit } = this.#deps
    const now = clock.now()
    const endsAt = new Date(now.getTime() + LONGEST_SESSION_MS)
    const session = await nouns.sessions.create({
      id: ids.next(),
      accountId: account.id,
      now,
      expiresAt: earlier(endsAt, this.#slide(now)),
      endsAt,
      address: call.address,
      userAgent: lineOf(call.userAgent),
    })
    const target = { kind: 'session', id: session.id } as const
    const [actor, accountId] = [actorOf(account), account.id]
    await audit.record(nouns, call, { event: 'session.created', actor, target, accountId })
    return session
  }

  async #rotate(refreshToken: string, call: Call): Promise<TokenPair> {
    const { store, refreshTokens } = this.#deps
    const token = refreshTokens.read(refreshToken)
    if (!token) throw new Problem('token-invalid')
    const session = await rotateSession(this.#deps, token, (now) => this.#slide(now), call)
    const account = await store.accounts.find(session.accountId)
    if (!account) throw new Problem('token-invalid')
    if (account.disabledAt) throw new Problem('account-disabled')
    return issueTokenPair(this.#deps, account, session)
  }

  #slide(now: Date): Date {
    return new Date(now.getTime() + this.#deps.refreshTtlSeconds * 1000)
  }

  #recordRefusal(account: Account | undefined, call: Call): Promise<void> {
    return this.#deps.audit.recordAlone(call, {
      event: 'session.refused',
      ...(account && { target: actorOf(account) }),
    })
  }

  /** A refresh token that fails counts as a failed sign-in, but is itself never refused for it. */
  async #countFailure(error: unknown, call: Call): Promise<void> {
    if (!(error instanceof Problem) || error.kind.status !== 401) return
    const charge = { policy: 'sign-in-address', subject: addressSubject(call.address) }
    await this.#deps.limits.take([charge])
  }
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b
}
