import type { RequestHandler } from 'express'
import type { Scope } from '../../generated/api.ts'
import type { Policy } from '../contract/policies.ts'
import { TokenRejected, type AccessTokens } from '../domain/access-tokens.ts'
import type { Principal } from '../domain/principal.ts'
import { Problem } from '../domain/problem.ts'
import type { Revocations } from '../domain/revocations.ts'

export type Credentials = { accessTokens: AccessTokens; revocations: Revocations }

/** RFC 9110 11.1: the scheme's case does not count; RFC 6750 2.1: one token after it. */
const BEARER = /^bearer +([^\s,]+)$/i

/**
 * Credential -> Principal, for an operation that needs one. No database is asked: the token says
 * who it is, and the ended sessions are known here.
 */
export function authenticate(credentials: Credentials): RequestHandler {
  return async (req, _res, next) => {
    req.call.principal = await principalOf(req.headers.authorization, credentials)
    next()
  }
}

/** Interprets x-scopes. */
export function authorize(policy: Policy): RequestHandler {
  return (req, _res, next) => {
    const held = req.call.principal?.scopes ?? []
    const missing = policy.scopes.filter((scope) => !held.includes(scope))
    if (missing.length > 0) {
      throw new Problem('insufficient-scope', { detail: `Needs ${missing.join(' ')}.` })
    }
    next()
  }
}

async function principalOf(
  header: string | undefined,
  { accessTokens, revocations }: Credentials,
): Promise<Principal> {
  if (header === undefined) throw new Problem('unauthenticated')
  const token = BEARER.exec(header)?.[1]
  if (token === undefined) throw new Problem('token-invalid')
  const claims = await accessTokens.verify(token).catch((error: unknown) => {
    throw error instanceof TokenRejected ? new Problem(error.code) : error
  })
  if (revocations.isSessionEnded(claims.sessionId)) throw new Problem('token-invalid')
  return {
    id: claims.subject,
    role: claims.role ?? 'user',
    scopes: claims.scopes as readonly Scope[],
    sessionId: claims.sessionId,
  }
}
