import { readFileSync } from 'node:fs'
import { importJWK, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'

/** Verifies tokens with the public keys in the file JWKS, and caches them by SHA-256 until they expire. */
export async function createAuthenticate(hash) {
  const { keys } = JSON.parse(readFileSync(process.env.JWKS, 'utf8'))
  const known = new Map()
  for (const key of keys) known.set(key.kid, await importJWK(key, 'EdDSA'))
  const verified = new LRUCache({ max: 5000 })
  const options = {
    algorithms: ['EdDSA'],
    issuer: 'parley',
    audience: 'parley-api',
    typ: 'at+jwt',
    requiredClaims: ['sub', 'sid', 'jti', 'scope', 'iat', 'exp'],
  }
  const refused = () => Object.assign(new Error('Unauthorized'), { statusCode: 401 })

  return async function authenticate(authorization) {
    const token = /^bearer +([^\s,]+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) throw refused()
    const digest = hash('sha256', token, 'base64')
    const before = verified.get(digest)
    if (before) {
      if (before.endsAtMs > Date.now()) return before.principal
      throw refused()
    }
    const { payload } = await jwtVerify(token, ({ kid }) => known.get(kid), options).catch(() => {
      throw refused()
    })
    const principal = { id: payload.sub, scopes: payload.scope.split(' ') }
    verified.set(digest, { principal, endsAtMs: payload.exp * 1000 })
    return principal
  }
}
