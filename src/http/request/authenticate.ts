import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import type { Scope } from '../../../generated/api.ts'
import type { Policy } from '../../contract/policy.ts'
import { TokenRejected, type AccessTokens } from '../../domain/identity/access-tokens.ts'
import type { ApiKeyCredentials } from '../../domain/identity/api-key-credentials.ts'
import { looksLikeApiKey } from '../../domain/identity/api-key-format.ts'
import type { Principal } from '../../domain/access/principal.ts'
import { Problem } from '../../domain/problem.ts'
import type { Revocations } from '../../domain/access/revocations.ts'
import type { AccountStatus } from '../../domain/access/account-status.ts'
import type { CallState } from './call-state.ts'

export type Credentials = {
  accessTokens: AccessTokens
  apiKeys: ApiKeyCredentials
  revocations: Revocations
  accountStatus: AccountStatus
}

/** The scheme is case-insensitive (RFC 9110 11.1); one token follows it (RFC 6750 2.1). */
const BEARER = /^bearer +([^\s,]+)$/i

/**
 * Turns the credential into `call.principal`. In the steady state this reads no database: a token
 * names its account, keys are cached, and revocations and changes are known in memory.
 */
export function authenticate(credentials: Credentials): RequestHandler {
  return async (req, _res, next) => {
    const credential = credentialIn(req)
    const shown = looksLikeApiKey(credential)
      ? await credentials.apiKeys.principalOf(credential, req.call)
      : await principalOfToken(credential, credentials)
    req.call.principal = credentials.accountStatus.apply(shown)
    next()
  }
}

/** The same, for an operation whose credential is optional. */
export function authenticateIfShown(credentials: Credentials): RequestHandler {
  const check = authenticate(credentials)
  return async (req, res, next) => {
    const { authorization, 'x-api-key': apiKey } = req.headers
    if (authorization === undefined && apiKey === undefined) next()
    else await check(req, res, next)
  }
}

/** Interprets x-scopes, and `security` where it excludes API keys. */
export function authorize(policy: Policy): RequestHandler {
  return (req, _res, next) => {
    refuseUnlessAllowed(policy, req.call)
    next()
  }
}

function refuseUnlessAllowed({ auth, scopes }: Policy, { principal }: CallState): void {
  if (auth === 'session' && principal?.sessionId === undefined) {
    throw new Problem('insufficient-scope', { detail: 'API keys cannot call this operation.' })
  }
  const held: readonly Scope[] = principal?.scopes ?? []
  const missing = scopes.filter((scope) => !held.includes(scope))
  if (missing.length > 0) {
    throw new Problem('insufficient-scope', { detail: `Missing scope: ${missing.join(' ')}.` })
  }
}

/** The one credential of the request. @throws {Problem} unauthenticated, token-invalid */
function credentialIn({ headers, rawHeaders }: IncomingMessage): string {
  const { authorization, 'x-api-key': apiKey } = headers
  if (authorization === undefined && apiKey === undefined) throw new Problem('unauthenticated')
  if ((authorization !== undefined && apiKey !== undefined) || isRepeated(rawHeaders)) {
    throw new Problem('token-invalid', { detail: 'Send exactly one credential.' })
  }
  const credential = authorization === undefined ? apiKey : BEARER.exec(authorization)?.[1]
  if (typeof credential !== 'string') throw new Problem('token-invalid')
  // A token in X-API-Key is a mistake.
  if (apiKey !== undefined && !looksLikeApiKey(credential)) throw new Problem('token-invalid')
  return credential
}

/** Node silently keeps the first `Authorization` of several; a proxy may take the last. */
function isRepeated(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 13 && name.toLowerCase() === 'authorization') count += 1
  }
  return count > 1
}

async function principalOfToken(
  token: string,
  { accessTokens, revocations }: Credentials,
): Promise<Principal> {
  const claims = await accessTokens.verify(token).catch((error: unknown) => {
    throw error instanceof TokenRejected ? new Problem(error.code) : error
  })
  if (revocations.isRevoked(claims.sessionId)) throw new Problem('token-invalid')
  return {
    id: claims.subject,
    role: claims.role ?? 'user',
    scopes: claims.scopes as readonly Scope[],
    sessionId: claims.sessionId,
  }
}
