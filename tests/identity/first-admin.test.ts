import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FirstAdmin, provideAdmin } from '../../src/domain/identity/first-admin.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer } from '../support/server.ts'

let testStore: TestStore
beforeEach(async () => {
  testStore = await openTestStore()
})
afterEach(() => testStore.close())

const NOT_SET = { ADMIN_EMAIL: '', ADMIN_PASSWORD: '' }

/** Starts a server that has to make a password for its first administrator. */
const startShowing = (show: (admin: FirstAdmin) => Promise<void>) =>
  startServer({ testStore, env: NOT_SET, replacements: { show } })

describe('the password of the first administrator', () => {
  test('is made and shown by the next start when it could not be shown', async () => {
    const broken = () => Promise.reject(new Error('the terminal is closed'))
    await expect(startShowing(broken)).rejects.toThrow('the terminal is closed')
    expect(await testStore.store.accounts.hasAdmin()).toBe(false)

    const shown: FirstAdmin[] = []
    const server = await startShowing(async (admin) => void shown.push(admin))

    const [{ email, password }] = shown as [FirstAdmin]
    await server.anonymous.expect(200, 'logIn', { body: { email, password } })
    await server.close()
  })

  test('is shown once when several instances start concurrently, and logs in', async () => {
    const server = await startServer({ testStore })
    await testStore.database.prisma.account.deleteMany()
    const shown: FirstAdmin[] = []
    const { deps, services } = server.parley
    const show = async (admin: FirstAdmin) => void shown.push(admin)
    const settings = { adminEmail: undefined, adminPassword: undefined }
    const provide = () => provideAdmin({ ...deps, audit: services.audit, show }, settings)

    const kinds = (await Promise.all([provide(), provide(), provide()])).map(({ kind }) => kind)

    expect(kinds.sort()).toEqual(['known', 'known', 'made'])
    expect(shown).toHaveLength(1)
    const [{ email, password }] = shown as [FirstAdmin]
    await server.anonymous.expect(200, 'logIn', { body: { email, password } })
    await server.close()
  })

  test('is not shown when the operator has set it', async () => {
    const shown: FirstAdmin[] = []
    const show = async (admin: FirstAdmin) => void shown.push(admin)

    const server = await startServer({ testStore, replacements: { show } })

    expect(shown).toEqual([])
    await server.admin()
    await server.close()
  })
})

describe('ADMIN_EMAIL and ADMIN_PASSWORD on a database with an administrator', () => {
  beforeEach(async () => {
    await (await startServer({ testStore })).close()
  })
  const another = { ADMIN_PASSWORD: 'another password than before' }

  test.each([
    ['match the administrator', {}, { kind: 'given', email: 'admin@example.com' }],
    ['have another password', another, { kind: 'unfitting', reason: 'wrong-password' }],
    [
      'have another email',
      { ADMIN_EMAIL: 'nobody@example.com' },
      { kind: 'unfitting', reason: 'not-an-admin' },
    ],
    ['are not set', NOT_SET, { kind: 'known' }],
  ])('are checked at the start: they %s', async (_, env, access) => {
    const server = await startServer({ testStore, env })

    expect(server.parley.access).toEqual(access)
    const warnings = server.logLines().filter(({ msg }) => String(msg).startsWith('ADMIN_EMAIL'))
    expect(warnings).toHaveLength(access.kind === 'unfitting' ? 1 : 0)
    expect(JSON.stringify(warnings)).not.toContain(another.ADMIN_PASSWORD)
    await server.close()
  })
})

describe('ADMIN_EMAIL on a database without an administrator', () => {
  test('is reported when it is the email of a user', async () => {
    await (await startServer({ testStore })).close()
    await testStore.database.prisma.account.updateMany({ data: { role: 'user' } })

    const server = await startServer({ testStore })

    expect(server.parley.access).toEqual({ kind: 'unfitting', reason: 'no-admin-at-all' })
    await server.close()
  })
})
