import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { createServiceAccount } from '../support/resources.ts'
import {
  clock,
  createUserAndAdmin,
  idOf,
  logIn,
  newAccount,
  readEvents,
  server,
} from './audit.given.ts'

/** Returns the events of an actor, read in pages of three. */
async function readByPages(admin: Client, actorId: string): Promise<AuditEvent[]> {
  const seen: AuditEvent[] = []
  let cursor: string | undefined
  do {
    const query = { actorId, limit: 3, ...(cursor !== undefined && { cursor }) }
    const { body } = await admin.expect(200, 'listAuditEvents', { query })
    seen.push(...body.data)
    cursor = body.nextCursor
  } while (cursor !== undefined)
  return seen
}

describe('GET /admin/audit-events', () => {
  test('shows the request id that the caller chose', async () => {
    const headers = { 'X-Request-Id': `call.${randomUUID()}` }
    clock.jump(1)
    await server.anonymous.expect(201, 'register', { body: newAccount(), headers })

    const [event] = await readEvents({ event: 'user.created' })

    expect(event!.requestId).toBe(headers['X-Request-Id'])
  })

  test('finds events by target, in any case of the id', async () => {
    const { admin, path, aliceId } = await createUserAndAdmin()
    const other = await createUserAndAdmin()
    await admin.expect(200, 'changeUser', { path, body: { displayName: 'A' } })
    await admin.expect(200, 'changeUser', { path: other.path, body: { displayName: 'B' } })

    const found = await readEvents({ event: 'user.changed', targetId: aliceId.toUpperCase() })

    expect(found.map(({ target }) => target!.id)).toEqual([aliceId])
  })

  test('finds events by actor', async () => {
    const { aliceId } = await createUserAndAdmin()

    const found = await readEvents({ actorId: aliceId })

    expect(found.map(({ event }) => event)).toEqual(['session.created'])
  })

  test('finds only events that fit both actor and target', async () => {
    const { admin, path, aliceId, adminId } = await createUserAndAdmin()
    const other = await createUserAndAdmin()
    await admin.expect(200, 'changeUser', { path, body: { displayName: 'A' } })
    await admin.expect(200, 'changeUser', { path: other.path, body: { displayName: 'B' } })

    const event = 'user.changed'
    const byAdmin = await readEvents({ event, targetId: aliceId, actorId: adminId })
    const byOther = await readEvents({ targetId: aliceId, actorId: other.aliceId })

    expect(byAdmin.map(({ target }) => target!.id)).toEqual([aliceId])
    expect(byOther).toEqual([])
  })

  test('lists the newest events first, and each once when it is read by pages', async () => {
    const alice = await server.createUser()
    const actorId = await idOf(alice)
    for (let i = 0; i < 6; i += 1) await logIn(alice.identity)
    clock.jump(1)
    const last = await logIn(alice.identity)
    await last.expect(204, 'logOut', { body: { scope: 'all' } })

    const all = await readEvents({ actorId })
    const seen = await readByPages(await server.admin(), actorId)

    const times = all.map(({ at }) => at)
    expect(all).toHaveLength(16)
    expect(times).toEqual(times.toSorted().toReversed())
    expect(seen).toEqual(all)
  })

  test('refuses a cursor with other filters', async () => {
    const admin = await server.admin()
    const first = await admin.expect(200, 'listAuditEvents', { query: { limit: 1 } })

    const query = { event: 'user.created' as const, cursor: first.body.nextCursor! }

    await admin.refused('cursor-mismatch', 'listAuditEvents', { query })
  })

  test('is refused to a user', async () => {
    await (await server.createUser()).refused('insufficient-scope', 'listAuditEvents')
  })

  test('is allowed to a service account with admin:audit', async () => {
    const auditor = await createServiceAccount(server, ['admin:audit'])

    await auditor.expect(200, 'listAuditEvents')
  })
})
