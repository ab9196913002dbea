import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FirstAdmin, provideAdmin } from '../../src/domain/identity/first-admin.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer } from '../support/server.ts'

let testStore: TestStore
beforeEach(async () => {
  testStore = await openTestStore()
})
afterEach(() => testStore.close())

const NOBODY = { ADMIN_EMAIL: '', ADMIN_PASSWORD: '' }

async function startShowing(show: (admin: FirstAdmin) => Promise<void>) {
  return startServer({ testStore, env: NOBODY, replacements: { show } })
}

describe('the password of the first administrator', () => {
  test('that could not be shown is of no account: the next start makes another and shows it', async () => {
    const broken = () => Promise.reject(new Error('nobody reads this'))
    await expect(startShowing(broken)).rejects.toThrow('nobody reads this')
    expect(await testStore.store.accounts.hasAdmin()).toBe(false)

    const shown: FirstAdmin[] = []
    const server = await startShowing(async (admin) => void shown.push(admin))
    const [{ email, password }] = shown as [FirstAdmin]
    await server.anonymous.expect(200, 'logIn', { body: { email, password } })
    await server.close()
  })

  test('is shown by one of several instances that start at once, and it is the one that opens', async () => {
    const server = await startServer({ testStore })
    await testStore.database.prisma.account.deleteMany()
    const shown: FirstAdmin[] = []
    const { deps, services } = server.parley
    const show = async (admin: FirstAdmin) => void shown.push(admin)
    const nobody = { adminEmail: undefined, adminPassword: undefined }
    const provide = () => provideAdmin({ ...deps, audit: services.audit, show }, nobody)
    const kinds = (await Promise.all([provide(), provide(), provide()])).map(({ kind }) => kind)
    expect(kinds.sort()).toEqual(['known', 'known', 'made'])
    expect(shown).toHaveLength(1)

    const [{ email, password }] = shown as [FirstAdmin]
    await server.anonymous.expect(200, 'logIn', { body: { email, password } })
    await server.close()
  })

  test('that was given is not shown', async () => {
    const shown: FirstAdmin[] = []
    const show = async (admin: FirstAdmin) => void shown.push(admin)
    const server = await startServer({ testStore, replacements: { show } })
    expect(shown).toEqual([])

    await server.admin()
    await server.close()
  })
})

describe('ADMIN_EMAIL and ADMIN_PASSWORD beside an administrator of before', () => {
  beforeEach(async () => {
    await (await startServer({ testStore })).close()
  })
  const another = { ADMIN_PASSWORD: 'another password than before' }

  test.each([
    ['that fit are known to', {}, { kind: 'given', email: 'admin@example.com' }],
    ['with another password', another, { kind: 'unfitting', reason: 'wrong-password' }],
    [
      'with another email',
      { ADMIN_EMAIL: 'nobody@example.com' },
      { kind: 'unfitting', reason: 'not-an-admin' },
    ],
    ['that are not given', NOBODY, { kind: 'known' }],
  ])('%s are told apart at the start', async (_what, env, access) => {
    const server = await startServer({ testStore, env })
    expect(server.parley.access).toEqual(access)

    const warnings = server.logLines().filter(({ msg }) => String(msg).startsWith('ADMIN_EMAIL'))
    expect(warnings).toHaveLength(access.kind === 'unfitting' ? 1 : 0)
    expect(JSON.stringify(warnings)).not.toContain(another.ADMIN_PASSWORD)

    await server.close()
  })

  test('a user with the address to make one with is said, where there is no administrator', async () => {
    await testStore.database.prisma.account.updateMany({ data: { role: 'user' } })
    const server = await startServer({ testStore })
    expect(server.parley.access).toEqual({ kind: 'unfitting', reason: 'no-admin-at-all' })

    await server.close()
  })
})
