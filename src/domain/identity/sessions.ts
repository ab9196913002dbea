import type { Dependencies } from '../dependencies.ts'
import type { Account, Nouns, Session } from '../../store/store.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import { requireEmail } from './emails.ts'
import { addressSubject } from '../limits/limit-subjects.ts'
import type { Limits } from '../limits/limits.ts'
import { Problem } from '../problem.ts'
import type { Revocations } from '../access/revocations.ts'
import { scopesOfAccount } from '../access/scopes.ts'
import { lineOf } from '../text/single-line.ts'
import { tryPassword } from './sign-in-attempts.ts'

/** A lost answer must not log anyone out: the parent token is good again for so long. */
const REUSE_GRACE_MS = 30_000
/** A session slides with each refresh, but ends so long after its login. */
const LONGEST_SESSION_MS = 30 * 86_400_000

export type TokenPair = {
  accessToken: string
  refreshToken: string
  expiresInSeconds: number
  refreshExpiresInSeconds: number
  sessionId: string
}

type Deps = Pick<
  Dependencies,
  'store' | 'clock' | 'ids' | 'passwords' | 'accessTokens' | 'refreshTokens'
> & { limits: Limits; revocations: Revocations; audit: Audit; refreshTtlSeconds: number }

/** Logging in, and carrying on. */
export function createSessions(deps: Deps) {
  const { store, clock, ids, passwords, limits, revocations, audit } = deps

  const issue = async (account: Account, session: Session): Promise<TokenPair> => {
    const now = clock.now().getTime()
    const { token, expiresAt } = await deps.accessTokens.issue({
      subject: account.id,
      sessionId: session.id,
      scopes: scopesOfAccount(account),
      role: account.role === 'admin' ? 'admin' : 'user',
      notAfter: session.expiresAt,
    })
    return {
      accessToken: token,
      refreshToken: deps.refreshTokens.mint(session.id, session.refreshCounter),
      expiresInSeconds: secondsUntil(expiresAt, now),
      refreshExpiresInSeconds: secondsUntil(session.expiresAt, now),
      sessionId: session.id,
    }
  }

  const open = async (nouns: Nouns, account: Account, call: Call): Promise<Session> => {
    const now = clock.now()
    const endsAt = new Date(now.getTime() + LONGEST_SESSION_MS)
    const session = await nouns.sessions.create({
      id: ids.next(),
      accountId: account.id,
      now,
      expiresAt: earlier(endsAt, slide(now)),
      endsAt,
      address: call.address,
      userAgent: lineOf(call.userAgent),
    })
    const target = { kind: 'session', id: session.id } as const
    const [actor, accountId] = [actorOf(account), account.id]
    await audit.record(nouns, call, { event: 'session.created', actor, target, accountId })
    return session
  }

  const slide = (now: Date) => new Date(now.getTime() + deps.refreshTtlSeconds * 1000)

  /** Says no, and writes down that somebody tried. */
  const noteRefusal = (account: Account | undefined, call: Call): Promise<void> =>
    audit.recordAlone(call, {
      event: 'session.refused',
      ...(account && { target: actorOf(account) }),
    })

  /** The account if the password is its own; it takes as long where there is no such account. */
  const check = async (
    account: Account | undefined,
    password: string,
    { hungUp }: Pick<Call, 'hungUp'>,
  ): Promise<Account | undefined> => {
    const isRight = await passwords.verify(password, account?.passwordHash, hungUp)
    if (!isRight || !account?.passwordHash) return undefined
    if (!passwords.isOutdated(account.passwordHash)) return account
    // BCRYPT_COST was changed since: an unknown account must cost the same time as this one.
    const [from, to] = [account.passwordHash, await passwords.hash(password, hungUp)]
    if (await store.accounts.rehashPassword({ id: account.id, from, to })) {
      return { ...account, passwordHash: to }
    }
    // It was hashed anew by another call, or changed.
    return check(await store.accounts.find(account.id), password, { hungUp })
  }

  /** The session after a rotation, or after the one that another call made from the same token. */
  const rotate = async (
    token: { sessionId: string; counter: number },
    call: Call,
  ): Promise<Session> => {
    const now = clock.now()
    const { sessionId: id, counter } = token
    const rotated = await store.sessions.rotate({ id, counter, now, expiresAt: slide(now) })
    if (rotated) return rotated
    const session = await store.sessions.find(id)
    if (!session || session.revokedAt || counter > session.refreshCounter) {
      throw new Problem('token-invalid')
    }
    if (session.expiresAt <= now) throw new Problem('token-expired')
    // Nothing else keeps the live token from its turn: it stays good for when that is taken back.
    if (counter === session.refreshCounter) throw new Problem('account-disabled')
    if (isLostAnswer(session, counter, now)) return session
    await endReused(session, call)
    throw new Problem('refresh-token-reused')
  }

  /** Kept although the call fails. */
  const endReused = async ({ id, accountId }: Session, call: Call): Promise<void> => {
    const now = clock.now()
    await store.atomically(async (nouns) => {
      await nouns.sessions.revoke({ id, now })
      const target = { kind: 'session', id } as const
      await audit.record(nouns, call, { event: 'refresh-token.reused', target, accountId })
    })
    revocations.note(id, now)
  }

  return {
    /**
     * @throws {Problem} invalid-credentials, alike in text and time for an unknown account;
     *   account-disabled after the right password only; quota-exceeded
     */
    async logIn(asked: { email: string; password: string }, call: Call): Promise<TokenPair> {
      const email = requireEmail(asked.email)
      const { password } = asked
      let account: Account | undefined
      const { id, passwordHash } = await tryPassword(
        limits,
        { email, call },
        async () => {
          account = await store.accounts.findByEmail(email)
          return check(account, password, call)
        },
        () => noteRefusal(account, call),
      )
      const outcome = await store.atomically(async (nouns) => {
        const now = await nouns.accounts.lockForSignIn({ id, passwordHash: passwordHash! })
        if (!now) return 'invalid-credentials'
        if (now.disabledAt) return 'account-disabled'
        return { account: now, session: await open(nouns, now, call) }
      })
      if (typeof outcome === 'object') return issue(outcome.account, outcome.session)
      await noteRefusal(account, call)
      throw new Problem(outcome)
    },

    /**
     * @throws {Problem} token-invalid, token-expired, account-disabled; refresh-token-reused, after
     *   the session has ended for good
     */
    async refresh(refreshToken: string, call: Call): Promise<TokenPair> {
      try {
        const token = deps.refreshTokens.read(refreshToken)
        if (!token) throw new Problem('token-invalid')
        const session = await rotate(token, call)
        const account = await store.accounts.find(session.accountId)
        if (!account) throw new Problem('token-invalid')
        if (account.disabledAt) throw new Problem('account-disabled')
        return await issue(account, session)
      } catch (error) {
        await countFailure(error, call, limits)
        throw error
      }
    },
  }
}

function isLostAnswer(session: Session, counter: number, now: Date): boolean {
  const age = now.getTime() - session.rotatedAt.getTime()
  return counter + 1 === session.refreshCounter && age <= REUSE_GRACE_MS
}

/** A refresh token that fails counts as a failed sign-in, but is itself never refused for it. */
async function countFailure(error: unknown, call: Call, limits: Limits): Promise<void> {
  if (!(error instanceof Problem) || error.kind.status !== 401) return
  await limits.take([{ policy: 'sign-in-address', subject: addressSubject(call.address) }])
}

/** Rounded up, so that 15 minutes are 900: a token is taken for some seconds more (clock leeway). */
function secondsUntil(end: Date, now: number): number {
  return Math.max(0, Math.ceil((end.getTime() - now) / 1000))
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b
}
