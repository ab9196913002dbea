import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEvent, AuditEventName } from '../../generated/api.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { type Client, createClient, type Identity } from '../support/client.ts'
import { contract } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump, operations } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

let testStore: TestStore
let watched: SpyStore
let clock: JumpingClock
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  const env = { REGISTRATION: 'open', TRUST_PROXY: '1' }
  server = await startServer({
    testStore,
    clock,
    env,
    replacements: { deps: { store: watched.store } },
  })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

type Party = { kind: string; id: string }
type Expected = {
  event: AuditEventName
  actor?: Party
  target?: Party
  account?: Party
  changed?: string[]
}
type Answer = { status: number; headers: Record<string, string>; body: unknown }
/** An act that is ready to be done, and what the record shall say of it. */
type Ready = { act: () => Promise<Answer>; expected: (body: { id: string }) => Expected[] }
type Recipe = {
  name: string
  /** It is recorded by itself: it changes nothing else, or was refused. */
  alone?: true
  /** Whoever did it is gone, and the address with it. */
  forgotten?: true
  prepare: () => Promise<Ready>
}

const user = (id: string): Party => ({ kind: 'user', id })
const session = ({ identity }: Client): Party => ({ kind: 'session', id: identity.sessionId })
const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id
const newcomer = () => ({
  email: `${randomUUID()}@example.com`,
  password: 'a horse nobody guesses',
  displayName: 'Grace',
})

async function logIn({ email, password }: Pick<Identity, 'email' | 'password'>): Promise<Client> {
  const { body } = await server.anonymous.expect(200, 'logIn', { body: { email, password } })
  return createClient(server.url, { ...body, email, password })
}

/** A user, the administrator, and who they are in the record. */
async function people() {
  const [alice, admin] = [await server.createUser(), await server.admin()]
  const [aliceId, adminId] = [await idOf(alice), await idOf(admin)]
  return { alice, admin, aliceId, adminId, actor: user(adminId), path: { userId: aliceId } }
}

async function aRobot() {
  const robot = await createServiceAccount(server, ['profile:read'])
  const admin = await server.admin()
  const { serviceAccountId, apiKeyId } = robot
  return {
    admin,
    actor: user(await idOf(admin)),
    path: { serviceAccountId },
    keyPath: { serviceAccountId, apiKeyId },
    target: { kind: 'service-account', id: serviceAccountId },
    keyTarget: { kind: 'api-key', id: apiKeyId },
  }
}

/** Logs out with two more sessions open elsewhere. */
const logOut = (scope: 'current' | 'others' | 'all'): Recipe => ({
  name: `of ${scope}`,
  async prepare() {
    const { alice, aliceId } = await people()
    const others = [await logIn(alice.identity), await logIn(alice.identity)]
    const ended = { current: [alice], others, all: [alice, ...others] }[scope]
    return {
      act: () => alice.call('logOut', { body: { scope } }),
      expected: () =>
        ended.map((one) => ({
          event: 'session.revoked',
          actor: user(aliceId),
          target: session(one),
          account: user(aliceId),
        })),
    }
  },
})

/** For every operation that is recorded, how it comes about. */
const recipes: Record<string, Recipe[]> = {
  logIn: [
    {
      name: 'with the right password',
      async prepare() {
        const { alice, aliceId } = await people()
        const { email, password } = alice.identity
        return {
          act: () => server.anonymous.call('logIn', { body: { email, password } }),
          expected: (body) => [
            {
              event: 'session.created',
              actor: user(aliceId),
              target: { kind: 'session', id: (body as unknown as Identity).sessionId },
              account: user(aliceId),
            },
          ],
        }
      },
    },
    {
      name: 'with a wrong password',
      alone: true,
      async prepare() {
        const { alice, aliceId } = await people()
        const body = { email: alice.identity.email, password: 'not my password' }
        return {
          act: () => server.anonymous.call('logIn', { body }),
          expected: () => [{ event: 'session.refused', target: user(aliceId) }],
        }
      },
    },
    {
      name: 'with an unknown email',
      alone: true,
      async prepare() {
        const { email, password } = newcomer()
        return {
          act: () => server.anonymous.call('logIn', { body: { email, password } }),
          expected: () => [{ event: 'session.refused' }],
        }
      },
    },
    {
      name: 'of somebody who is disabled',
      alone: true,
      async prepare() {
        const { alice, admin, path, aliceId } = await people()
        await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
        const { email, password } = alice.identity
        return {
          act: () => server.anonymous.call('logIn', { body: { email, password } }),
          expected: () => [{ event: 'session.refused', target: user(aliceId) }],
        }
      },
    },
  ],
  refreshTokens: [
    {
      name: 'with a token that was used long ago',
      async prepare() {
        const { alice, aliceId } = await people()
        const body = { refreshToken: alice.identity.refreshToken }
        await server.anonymous.expect(200, 'refreshTokens', { body })
        clock.jump(31 * SECOND_MS)
        return {
          act: () => server.anonymous.call('refreshTokens', { body }),
          expected: () => [
            { event: 'refresh-token.reused', target: session(alice), account: user(aliceId) },
          ],
        }
      },
    },
  ],
  logOutByLink: [
    {
      name: 'of the current session',
      async prepare() {
        const { alice, aliceId } = await people()
        return {
          act: () => alice.call('logOutByLink'),
          expected: () => [
            {
              event: 'session.revoked',
              actor: user(aliceId),
              target: session(alice),
              account: user(aliceId),
            },
          ],
        }
      },
    },
  ],
  logOut: [logOut('current'), logOut('others'), logOut('all')],
  register: [
    {
      name: 'of somebody new',
      async prepare() {
        const body = newcomer()
        return {
          act: () => server.anonymous.call('register', { body }),
          expected: ({ id }) => [{ event: 'user.created', actor: user(id), target: user(id) }],
        }
      },
    },
  ],
  changePassword: [
    {
      name: 'with the right one',
      async prepare() {
        const { alice, aliceId } = await people()
        const { password: currentPassword } = alice.identity
        const body = { currentPassword, newPassword: 'quite another horse' }
        const [actor, target] = [user(aliceId), user(aliceId)]
        const ended = session(await logIn(alice.identity))
        return {
          act: () => alice.call('changePassword', { body }),
          expected: () => [
            { event: 'password.changed', actor, target },
            { event: 'session.revoked', actor, target: ended, account: user(aliceId) },
          ],
        }
      },
    },
    {
      name: 'with a wrong one',
      alone: true,
      async prepare() {
        const { alice, aliceId } = await people()
        const body = { currentPassword: 'not mine', newPassword: 'quite another horse' }
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          act: () => alice.call('changePassword', { body }),
          expected: () => [{ event: 'password.refused', actor, target }],
        }
      },
    },
  ],
  endSession: [
    {
      name: 'of another session',
      async prepare() {
        const { alice, aliceId } = await people()
        const lost = await logIn(alice.identity)
        const path = { sessionId: lost.identity.sessionId }
        return {
          act: () => alice.call('endSession', { path }),
          expected: () => [
            {
              event: 'session.revoked',
              actor: user(aliceId),
              target: session(lost),
              account: user(aliceId),
            },
          ],
        }
      },
    },
  ],
  replaceProfile: [
    {
      name: 'by a person with a new name',
      async prepare() {
        const { alice, aliceId } = await people()
        const body = { displayName: 'Another name', preferences: { locale: 'ko' } }
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          act: () => alice.call('replaceProfile', { body }),
          expected: () => [{ event: 'user.changed', actor, target, changed: ['displayName'] }],
        }
      },
    },
    {
      name: 'by a program with a new name',
      async prepare() {
        const robot = await createServiceAccount(server, ['profile:write'])
        const actor = { kind: 'service-account', id: robot.serviceAccountId }
        const body = { displayName: 'Another name', preferences: {} }
        return {
          act: () => robot.call('replaceProfile', { body }),
          expected: () => [
            { event: 'service-account.changed', actor, target: actor, changed: ['name'] },
          ],
        }
      },
    },
  ],
  closeAccount: [
    {
      name: 'by its owner',
      forgotten: true,
      async prepare() {
        const { alice, aliceId } = await people()
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          act: () => alice.call('closeAccount'),
          expected: () => [{ event: 'account.closed', actor, target }],
        }
      },
    },
  ],
  exportAccount: [
    {
      name: 'by its owner',
      alone: true,
      async prepare() {
        const { alice, aliceId } = await people()
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          act: () => alice.call('exportAccount'),
          expected: () => [{ event: 'data.exported', actor, target }],
        }
      },
    },
  ],
  createUser: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor } = await people()
        const body = { ...newcomer(), role: 'user' as const }
        return {
          act: () => admin.call('createUser', { body }),
          expected: ({ id }) => [{ event: 'user.created', actor, target: user(id) }],
        }
      },
    },
  ],
  changeUser: [
    {
      name: 'of several properties',
      async prepare() {
        const { admin, actor, path, aliceId } = await people()
        const body = { role: 'admin', disabled: true, displayName: 'A', limits: {} } as const
        const changed = ['disabled', 'displayName', 'limits', 'role']
        return {
          act: () => admin.call('changeUser', { path, body }),
          expected: () => [{ event: 'user.changed', actor, target: user(aliceId), changed }],
        }
      },
    },
    {
      name: 'of its version',
      async prepare() {
        const { admin, actor, path, aliceId } = await people()
        const headers = { 'If-Match': '"1"' }
        return {
          act: () => admin.call('changeUser', { path, headers, body: { limits: { hourly: 9 } } }),
          expected: () => [
            { event: 'user.changed', actor, target: user(aliceId), changed: ['limits'] },
          ],
        }
      },
    },
  ],
  deleteUser: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, path, aliceId } = await people()
        return {
          act: () => admin.call('deleteUser', { path }),
          expected: () => [{ event: 'user.deleted', actor, target: user(aliceId) }],
        }
      },
    },
  ],
  createServiceAccount: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor } = await people()
        const body = { name: 'Robot', scopes: [] }
        return {
          act: () => admin.call('createServiceAccount', { body }),
          expected: ({ id }) => [
            { event: 'service-account.created', actor, target: { kind: 'service-account', id } },
          ],
        }
      },
    },
    {
      name: 'by another service account',
      async prepare() {
        const robot = await createServiceAccount(server, ['admin:service-accounts'])
        const actor = { kind: 'service-account', id: robot.serviceAccountId }
        const body = { name: 'Robot', scopes: [] }
        return {
          act: () => robot.call('createServiceAccount', { body }),
          expected: ({ id }) => [
            { event: 'service-account.created', actor, target: { kind: 'service-account', id } },
          ],
        }
      },
    },
  ],
  changeServiceAccount: [
    {
      name: 'of several properties',
      async prepare() {
        const { admin, actor, path, target } = await aRobot()
        const body = { name: 'B', scopes: [], disabled: true }
        const changed = ['disabled', 'name', 'scopes']
        return {
          act: () => admin.call('changeServiceAccount', { path, body }),
          expected: () => [{ event: 'service-account.changed', actor, target, changed }],
        }
      },
    },
  ],
  deleteServiceAccount: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, path, target } = await aRobot()
        return {
          act: () => admin.call('deleteServiceAccount', { path }),
          expected: () => [{ event: 'service-account.deleted', actor, target }],
        }
      },
    },
  ],
  createApiKey: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, path, target: account } = await aRobot()
        return {
          act: () => admin.call('createApiKey', { path, body: { name: 'spare' } }),
          expected: ({ id }) => [
            { event: 'api-key.created', actor, target: { kind: 'api-key', id }, account },
          ],
        }
      },
    },
  ],
  revokeApiKey: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, keyPath: path, keyTarget: target, target: account } = await aRobot()
        return {
          act: () => admin.call('revokeApiKey', { path }),
          expected: () => [{ event: 'api-key.revoked', actor, target, account }],
        }
      },
    },
  ],
  rotateApiKey: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, keyPath: path, keyTarget: target, target: account } = await aRobot()
        return {
          act: () => admin.call('rotateApiKey', { path, body: { overlapSeconds: 60 } }),
          expected: ({ id }) => [
            { event: 'api-key.rotated', actor, target, account },
            { event: 'api-key.created', actor, target: { kind: 'api-key', id }, account },
          ],
        }
      },
    },
  ],
}

const audited = operations.filter(({ audit }) => audit.length > 0)
const cases = Object.entries(recipes).flatMap(([operationId, all]) =>
  all.map((recipe) => ({ operationId, name: recipe.name, recipe })),
)
const REFUSALS: AuditEventName[] = ['password.refused', 'refresh-token.reused', 'session.refused']

async function newest(query: object = {}): Promise<AuditEvent[]> {
  const admin = await server.admin()
  const answer = await admin.expect(200, 'listAuditEvents', { query: { limit: 100, ...query } })
  return answer.body.data
}

test('every operation that names events has a recipe, and no other', () => {
  const named = audited.map(({ operationId }) => operationId)

  expect(Object.keys(recipes).sort()).toEqual(named.sort())
})

describe.each(cases)('$operationId $name', ({ operationId, recipe }) => {
  test('is recorded: who, what, on what, from where, by which call, when', async () => {
    const { act, expected } = await recipe.prepare()
    clock.jump(1)
    const at = clock.now().toISOString()
    const { headers, body } = await act()
    clock.jump(1)
    const requestId = headers['x-request-id']
    const written = (await newest()).filter((one) => one.requestId === requestId)
    const shown = written.map(({ id: _id, changed, ...event }) => ({
      ...event,
      ...(changed && { changed: changed.toSorted() }),
    }))
    const wanted = expected(body as { id: string }).map((event) => ({
      ...event,
      at,
      outcome: REFUSALS.includes(event.event) ? 'refused' : 'done',
      ...(!recipe.forgotten && { address: '127.0.0.1' }),
      requestId,
    }))
    const byTarget = (one: Expected) => one.target?.id ?? ''
    const sorted = (all: object[]) =>
      (all as Expected[]).toSorted((a, b) => byTarget(a).localeCompare(byTarget(b)))
    expect(sorted(shown)).toEqual(sorted(wanted))

    const { audit } = audited.find((one) => one.operationId === operationId)!
    for (const { event } of written) expect(audit).toContain(event)
  })

  test('is not done if it cannot be recorded', async () => {
    const { act } = await recipe.prepare()
    const before = await databaseDump(testStore.database)
    const over = watched.instead('auditEvents.add', () =>
      Promise.reject(new DatabaseUnavailable('The record is away')),
    )

    const { status } = await act().finally(over)

    expect(status).toBe(503)
    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

describe.each(cases.filter(({ recipe }) => !recipe.alone))('$operationId $name', ({ recipe }) => {
  test('is not recorded if it is not done, and can be done again', async () => {
    const { act } = await recipe.prepare()
    const before = await databaseDump(testStore.database)
    const over = watched.instead('commit', () =>
      Promise.reject(new DatabaseUnavailable('The database went away')),
    )

    const { status } = await act().finally(over)

    expect(status).toBe(503)
    expect(await databaseDump(testStore.database)).toBe(before)
    expect((await act()).status).not.toBe(503)
    expect(await databaseDump(testStore.database)).not.toBe(before)
  })
})

describe('the record', () => {
  const names = (
    contract.document.components.schemas['AuditEventName'] as { enum: AuditEventName[] }
  ).enum

  // No call does it: an operator does, on the server's own machine.
  test('names the account whose password an operator has set, and its sessions', async () => {
    const { identity } = await server.createUser()
    const reset = { email: identity.email, passwordHash: 'a hash', enable: false }
    await server.parley.services.passwordResets.reset(reset)
    const [revoked] = await newest({ targetId: identity.sessionId, event: 'session.revoked' })

    const [done] = await newest({ event: 'password.reset' })

    expect(done!.requestId).toBe('reset-password')
    expect(done!.target).toEqual({ kind: 'user', id: revoked!.account!.id })
    expect([done, revoked].filter((one) => one!.actor ?? one!.address)).toEqual([])
  })

  test.each(names)('has had %s, and finds it by its name alone', async (event) => {
    const events = await newest({ event })

    expect(events.length).toBeGreaterThan(0)
    expect(new Set(events.map((one) => one.event))).toEqual(new Set([event]))
  })

  test('keeps the id that a caller gave its call', async () => {
    const headers = { 'X-Request-Id': `call.${randomUUID()}` }
    await server.anonymous.call('register', { body: newcomer(), headers })

    const [event] = await newest({ event: 'user.created' })

    expect(event!.requestId).toBe(headers['X-Request-Id'])
  })

  test('finds by actor and by target, in any spelling of the id, and by both', async () => {
    const { admin, path, aliceId, adminId } = await people()
    const other = await people()
    await admin.expect(200, 'changeUser', { path, body: { displayName: 'A' } })
    await admin.expect(200, 'changeUser', { path: other.path, body: { displayName: 'B' } })
    const targets = async (query: object) => (await newest(query)).map(({ target }) => target!.id)
    const event = 'user.changed'
    expect(await targets({ event, targetId: aliceId.toUpperCase() })).toEqual([aliceId])
    expect(await targets({ event, targetId: aliceId, actorId: adminId })).toEqual([aliceId])
    expect(await targets({ targetId: aliceId, actorId: other.aliceId })).toEqual([])

    const ofAlice = await newest({ actorId: aliceId })
    expect(ofAlice.map((one) => one.event)).toEqual(['session.created'])
  })

  test('is walked page by page, the newest first, each event once, many of one moment', async () => {
    const alice = await server.createUser()
    const actorId = await idOf(alice)
    for (let i = 0; i < 6; i += 1) await logIn(alice.identity)
    clock.jump(1)
    await (await logIn(alice.identity)).expect(204, 'logOut', { body: { scope: 'all' } })
    const all = await newest({ actorId })
    expect(all).toHaveLength(16)

    const times = all.map(({ at }) => at)
    expect(times).toEqual(times.toSorted().toReversed())

    const admin = await server.admin()
    const seen: AuditEvent[] = []
    let cursor: string | undefined
    do {
      const query = { actorId, limit: 3, ...(cursor !== undefined && { cursor }) }
      const { body } = await admin.expect(200, 'listAuditEvents', { query })
      seen.push(...body.data)
      cursor = body.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(all)
  })

  test('binds a cursor to its filters', async () => {
    const admin = await server.admin()
    const first = await admin.expect(200, 'listAuditEvents', { query: { limit: 1 } })
    const query = { event: 'user.created' as const, cursor: first.body.nextCursor! }
    await admin.refused('cursor-mismatch', 'listAuditEvents', { query })
  })

  test('is for who may read it: a key with admin:audit, and no user', async () => {
    await (await server.createUser()).refused('insufficient-scope', 'listAuditEvents')
    const auditor = await createServiceAccount(server, ['admin:audit'])
    await auditor.expect(200, 'listAuditEvents')
  })
})

describe('what is left in the record of somebody who left', () => {
  const HOME = '198.51.100.7'
  const fromHome = { 'X-Forwarded-For': HOME }
  const rows = () => testStore.database.prisma.auditEvent.findMany({ orderBy: { id: 'asc' } })

  test.each([
    ['by closing', async (alice: Client) => alice.expect(204, 'closeAccount')],
    [
      'by being deleted',
      async (_: Client, userId: string) =>
        (await server.admin()).expect(204, 'deleteUser', { path: { userId } }),
    ],
  ])('%s has no address and no name, and of others nothing is forgotten', async (_, leave) => {
    const headers = { ...fromHome, 'User-Agent': 'a browser of her own' }
    const body = { ...newcomer(), displayName: 'Ada Lovelace' }
    const { email, password } = body
    const { id } = (await server.anonymous.expect(201, 'register', { body, headers })).body
    const wrong = { body: { email, password: 'not mine at all' }, headers }
    await server.anonymous.refused('invalid-credentials', 'logIn', wrong)
    const tokens = (
      await server.anonymous.expect(200, 'logIn', { body: { email, password }, headers })
    ).body
    const alice = createClient(server.url, { ...tokens, email, password })
    const lost = (
      await server.anonymous.expect(200, 'logIn', { body: { email, password }, headers })
    ).body
    const reuse = { body: { refreshToken: lost.refreshToken }, headers }
    await server.anonymous.expect(200, 'refreshTokens', reuse)
    clock.jump(31 * SECOND_MS)
    await server.anonymous.refused('refresh-token-reused', 'refreshTokens', reuse)
    await alice.refused('invalid-credentials', 'changePassword', {
      body: { currentPassword: 'not mine', newPassword: 'quite another horse' },
      headers,
    })
    const admin = await server.admin()
    await admin.expect(200, 'changeUser', { path: { userId: id }, body: { limits: {} } })
    const before = await rows()
    expect(before.filter(({ address }) => address === HOME)).toHaveLength(6)

    await leave(alice, id)
    const after = await rows()
    const text = JSON.stringify(after)
    const known = [HOME, email, 'Ada Lovelace', 'a browser of her own']
    expect(known.filter((one) => text.includes(one))).toEqual([])
    const kept = after.filter((one) => before.some((was) => was.id === one.id))
    expect(kept).toEqual(
      before.map((was) => (was.address === HOME ? { ...was, address: null } : was)),
    )
  })
})
