import { describe, expect, test } from 'vitest'
import { openTestStore } from '../support/database/database.ts'
import { startServer } from '../support/server.ts'

describe('the first administrator', () => {
  test('is created once by concurrent and later starts of the server', async () => {
    const fresh = await openTestStore()
    const start = () => startServer({ testStore: fresh })

    const together = await Promise.all([start(), start()])
    const later = await start()
    const servers = [...together, later]

    expect(servers.filter(({ parley }) => parley.access.kind === 'made')).toHaveLength(1)
    expect(await fresh.database.prisma.account.count({ where: { role: 'admin' } })).toBe(1)

    const admin = await later.admin()
    expect((await admin.expect(200, 'getProfile')).body.role).toBe('admin')

    await Promise.all(servers.map((one) => one.close()))
    await fresh.close()
  })
})
