import { describe, expect, test } from 'vitest'
import type { AuditEvent, AuditEventName } from '../../generated/api.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { contract } from '../support/contract/contract.ts'
import { operations } from '../support/contract/operations.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { clock, readEvents, server, testStore, watched } from './audit.given.ts'
import { apiKeyRecipes } from './audit-recipes/api-keys.ts'
import { ownAccountRecipes } from './audit-recipes/own-account.ts'
import { type ExpectedEvent, type Recipes, REFUSALS } from './audit-recipes/recipe.ts'
import { serviceAccountRecipes } from './audit-recipes/service-accounts.ts'
import { sessionRecipes } from './audit-recipes/sessions.ts'
import { userRecipes } from './audit-recipes/users.ts'

const recipes: Recipes = {
  ...sessionRecipes,
  ...ownAccountRecipes,
  ...userRecipes,
  ...serviceAccountRecipes,
  ...apiKeyRecipes,
}
const cases = Object.entries(recipes).flatMap(([operationId, all]) =>
  all.map((recipe) => ({ operationId, name: recipe.name, recipe })),
)
const audited = operations.filter(({ audit }) => audit.length > 0)

const fail = (reason: string) => () => Promise.reject(new DatabaseUnavailable(reason))

/** The event as a recipe expects it: without its id, and with what changed in order. */
const withoutId = ({ id: _id, changed, ...event }: AuditEvent) => ({
  ...event,
  ...(changed && { changed: changed.toSorted() }),
})

const sortedByTarget = <T extends { target?: { id: string } }>(events: T[]) =>
  events.toSorted((a, b) => (a.target?.id ?? '').localeCompare(b.target?.id ?? ''))

describe('the operations with x-audit', () => {
  test('are exactly those that have a recipe here', () => {
    const named = audited.map(({ operationId }) => operationId)

    expect(Object.keys(recipes).sort()).toEqual(named.sort())
  })
})

describe.each(cases)('$operationId $name', ({ operationId, recipe }) => {
  test('is recorded with actor, target, account, address, request id and time', async () => {
    const { call, expected } = await recipe.prepare()
    clock.jump(1)
    const at = clock.now().toISOString()

    const { headers, body } = await call()
    clock.jump(1)
    const requestId = headers['x-request-id']!
    const recorded = (await readEvents()).filter((event) => event.requestId === requestId)

    const complete = (event: ExpectedEvent) => ({
      ...event,
      at,
      outcome: REFUSALS.includes(event.event) ? 'refused' : 'done',
      ...(!recipe.hasNoAddress && { address: '127.0.0.1' }),
      requestId,
    })
    expect(sortedByTarget(recorded.map(withoutId))).toEqual(
      sortedByTarget(expected(body as { id: string }).map(complete)),
    )
    const { audit } = audited.find((one) => one.operationId === operationId)!
    for (const { event } of recorded) expect(audit).toContain(event)
  })

  test('fails with 503 and changes nothing when it cannot be recorded', async () => {
    const { call } = await recipe.prepare()
    const before = await databaseDump(testStore.database)
    const restore = watched.instead('auditEvents.add', fail('The audit log is unavailable'))

    const { status } = await call().finally(restore)

    expect(status).toBe(503)
    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

const changing = cases.filter(({ recipe }) => !recipe.changesNothingElse)

describe.each(changing)('$operationId $name, whose transaction fails', ({ recipe }) => {
  test('leaves no event, and can be repeated', async () => {
    const { call } = await recipe.prepare()
    const before = await databaseDump(testStore.database)
    const restore = watched.instead('commit', fail('The database is unavailable'))

    const { status } = await call().finally(restore)

    expect(status).toBe(503)
    expect(await databaseDump(testStore.database)).toBe(before)
    expect((await call()).status).not.toBe(503)
    expect(await databaseDump(testStore.database)).not.toBe(before)
  })
})

describe('the reset-password command', () => {
  test('records the account and its sessions, without an actor or an address', async () => {
    const { identity } = await server.createUser()
    const reset = { email: identity.email, passwordHash: 'a hash', enable: false }

    await server.parley.services.passwordResets.reset(reset)

    const [revoked] = await readEvents({ targetId: identity.sessionId, event: 'session.revoked' })
    const [done] = await readEvents({ event: 'password.reset' })
    expect(done!.requestId).toBe('reset-password')
    expect(done!.target).toEqual({ kind: 'user', id: revoked!.account!.id })
    expect([done, revoked].filter((event) => event!.actor ?? event!.address)).toEqual([])
  })
})

// The tests above have caused each of them.
describe('the filter by event', () => {
  const { enum: names } = contract.document.components.schemas['AuditEventName'] as {
    enum: AuditEventName[]
  }

  test.each(names)('finds events named %s, and no others', async (event) => {
    const events = await readEvents({ event })

    expect(events.length).toBeGreaterThan(0)
    expect(new Set(events.map((one) => one.event))).toEqual(new Set([event]))
  })
})
