import { randomUUID } from 'node:crypto'
import { AccessTokens } from '../../../src/domain/identity/access-tokens.ts'
import { scopesOf } from '../../../src/domain/access/scopes.ts'
import { systemClock } from '../../../src/ports/clock/clock.ts'
import { parseSigningKeys } from '../../../src/ports/keys/signing-keys.ts'
import { TOKEN_SECONDS } from './contenders.ts'
import type { Owner } from './database.ts'
import type { Person } from './operations.ts'

/** Issues an access token of Parley to each owner; all servers can verify it. */
export async function withTokens(owners: readonly Owner[], keysText: string): Promise<Person[]> {
  const tokens = new AccessTokens({
    keys: await parseSigningKeys(keysText, 'the bench'),
    clock: systemClock,
    issuer: 'parley',
    audience: 'parley-api',
    ttlSeconds: TOKEN_SECONDS,
  })
  const people: Person[] = []
  for (const { id, conversationIds } of owners) {
    const grant = { subject: id, sessionId: randomUUID(), scopes: scopesOf('user') }
    const { token } = await tokens.issue({ ...grant, role: 'user' })
    people.push({ id, token, conversationIds })
  }
  return people
}

/** Returns callers without conversations, for the part without a database. */
export function strangers(count: number): Owner[] {
  return Array.from({ length: count }, () => {
    const id = randomUUID()
    return { id, email: `${id}@example.com`, conversationIds: [] }
  })
}
