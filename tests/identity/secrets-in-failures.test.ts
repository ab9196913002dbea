import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Tokens } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer } from '../support/server.ts'
import { Secrets } from './secrets.ts'

describe('an internal failure', () => {
  const secrets = new Secrets()
  const bcryptHash = secrets.keep('any bcrypt hash', '$2b$04$')
  let testStore: TestStore
  beforeAll(async () => {
    testStore = await openTestStore()
  })
  afterAll(() => testStore.close())

  const ADMIN = { email: 'admin@example.com', password: 'the admin of the tests' }

  /** Runs the function. @returns what the process wrote to its standard output and error */
  async function captureOutput(run: () => Promise<void>): Promise<string> {
    const written: string[] = []
    const spies = [process.stdout, process.stderr].map((stream) =>
      vi.spyOn(stream, 'write').mockImplementation((text) => {
        written.push(String(text))
        return true
      }),
    )
    try {
      await run()
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
    return written.join('')
  }

  test('logs no secret when the database refuses every row or has lost its tables', async () => {
    const server = await startServer({ testStore, env: { REGISTRATION: 'open' } })
    const { prisma } = testStore.database
    const alice = await server.createUser()
    const { email, password, refreshToken } = alice.identity
    secrets.keepTokens(alice.identity)
    secrets.keep('a password', password)
    const changed = secrets.keep('a new password', 'a password of quite another kind')
    const newAccount = {
      email: `${randomUUID()}@example.com`,
      password: changed,
      displayName: 'Kate',
    }
    const failEveryCall = async () => {
      const body = { currentPassword: password, newPassword: changed }
      const answers = [
        await server.anonymous.call('register', { body: newAccount }),
        await server.anonymous.call('logIn', { body: { email, password } }),
        await server.anonymous.call('refreshTokens', { body: { refreshToken } }),
        await alice.call('changePassword', { body }),
        await alice.call('logOut', { body: { scope: 'all' } }),
      ]
      for (const { status } of answers) expect([500, 503]).toContain(status)
      expect(secrets.foundIn(JSON.stringify(answers))).toEqual([])
    }

    const written = await captureOutput(async () => {
      for (const table of ['accounts', 'sessions']) {
        const add = `ALTER TABLE ${table} ADD CONSTRAINT none CHECK (false) NOT VALID`
        await prisma.$executeRawUnsafe(add)
      }
      await failEveryCall()
      await prisma.$executeRawUnsafe('ALTER TABLE sessions RENAME TO sessions_renamed')
      await prisma.$executeRawUnsafe('ALTER TABLE accounts RENAME TO accounts_renamed')
      await failEveryCall()
    })

    const log = JSON.stringify(server.logLines())
    expect(server.logLines().filter(({ msg }) => msg === 'unexpected failure').length).toBe(10)
    expect(secrets.foundIn(log)).toEqual([])
    expect(log).not.toContain(bcryptHash)
    expect(secrets.foundIn(written)).toEqual([])

    await prisma.$executeRawUnsafe('ALTER TABLE sessions_renamed RENAME TO sessions')
    await prisma.$executeRawUnsafe('ALTER TABLE accounts_renamed RENAME TO accounts')
    for (const table of ['accounts', 'sessions']) {
      await prisma.$executeRawUnsafe(`ALTER TABLE ${table} DROP CONSTRAINT none`)
    }
    await server.close()
  })

  test('logs where a reply violates the contract, and not its content', async () => {
    let spoil = (body: object): object => body
    const server = await startServer({
      testStore,
      allowsViolations: true,
      replacements: {
        operations: (real) => ({
          ...real,
          async logIn(...given: Parameters<typeof real.logIn>) {
            const reply = await real.logIn(...given)
            secrets.keepTokens(reply.body)
            return { ...reply, body: spoil(reply.body) as typeof reply.body }
          },
        }),
      },
    })
    const mistakes = [
      (body: object) => ({ ...body, password: ADMIN.password }),
      (body: object) => ({ ...body, tokenType: (body as Tokens).accessToken }),
      (body: object) => ({ ...body, sessionId: (body as Tokens).refreshToken }),
      (body: object) => ({ ...body, expiresIn: (body as Tokens).refreshToken }),
      (body: object) => ({ ...body, refreshToken: [(body as Tokens).refreshToken] }),
      (body: object) => ({ data: body }),
    ]

    const written = await captureOutput(async () => {
      for (const mistake of mistakes) {
        spoil = mistake
        await server.anonymous.refused('internal', 'logIn', { body: ADMIN })
      }
    })

    const log = JSON.stringify(server.logLines())
    const violations = server.logLines().filter(({ msg }) => msg === 'contract violated')
    expect(violations).toHaveLength(mistakes.length)
    secrets.keep('the password of the admin', ADMIN.password)
    expect(secrets.foundIn(log)).toEqual([])
    expect(secrets.foundIn(written)).toEqual([])

    await server.close()
  })
})
