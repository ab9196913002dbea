import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { createPasswords } from '../../src/ports/passwords/passwords.ts'
import type { Client } from '../support/client.ts'
import { startServer } from '../support/server.ts'
import { logIn, post, register, server, takeWork, testStore } from './passwords.given.ts'

const change = (user: Client, newPassword: string, currentPassword = user.identity.password) =>
  user.call('changePassword', { body: { currentPassword, newPassword } })

/** Registers an account with this password. @returns its email */
async function registerWith(password: string): Promise<string> {
  const email = `${randomUUID()}@example.com`
  expect((await register(email, password)).status).toBe(201)
  return email
}

describe('a password', () => {
  test.each([
    ['of 256 characters', 'x'.repeat(256)],
    ['of 256 characters of four bytes', '\u{1F40E}'.repeat(256)],
    ['of 8 characters of four bytes', '\u{1F40E}\u{1F984}'.repeat(4)],
    ['of spaces', ' '.repeat(12)],
    ['with spaces at its ends', '  inside two spaces  '],
    ['with line breaks and tabs', 'first line\r\n\tsecond'],
    ['with quotes and backslashes', String.raw`"' OR 1=1; -- \u0041 \\`],
    ['with invisible characters', 'zero\u200bwidth\u200djoiner'],
    ['with U+FFFD', 'replaced \ufffd by this'],
    ['with a complete surrogate pair', 'a pair \ud83d\udc0e of halves'],
  ])(
    '%s logs in to the account that was registered with it, and its variants do not',
    async (_, password) => {
      const email = await registerWith(password)

      expect((await logIn(email, password)).status).toBe(200)
      const less = [...password].slice(0, -1).join('')
      const more = [...password, 'x'].slice(0, 256).join('')
      const others = [less, password.trim(), password.toUpperCase(), more]
      for (const other of others.filter((one) => one !== password && one !== '')) {
        expect((await logIn(email, other)).status).toBe(401)
      }
    },
  )

  test.each([71, 72, 73, 128, 255])(
    'counts with its last character beyond %d bytes',
    async (length) => {
      const password = `${'x'.repeat(length)}a`

      const email = await registerWith(password)

      expect((await logIn(email, `${'x'.repeat(length)}b`)).status).toBe(401)
      expect((await logIn(email, 'x'.repeat(length))).status).toBe(401)
      expect((await logIn(email, password)).status).toBe(200)
    },
  )

  test('is the same in composed and decomposed form, for registering, logging in and changing it', async () => {
    const composed = '\u00e9t\u00e9 \ud55c\uae00 \u1e69ong'
    const decomposed = composed.normalize('NFD')
    expect(decomposed).not.toBe(composed)
    const email = await registerWith(decomposed)

    const tokens = (
      await server.anonymous.expect(200, 'logIn', { body: { email, password: composed } })
    ).body
    const user = server.anonymous.with(tokens)

    expect((await change(user, composed.replace('ong', 'ang'), decomposed)).status).toBe(204)
    expect((await logIn(email, decomposed.replace('ong', 'ang'))).status).toBe(200)
    // Letters that only look alike are others (NFC, not NFKC).
    expect((await logIn(email, composed.replace('ong', '\uff41ng'))).status).toBe(401)
  })

  test('has at most 256 characters, counted as code points', async () => {
    for (const password of ['x'.repeat(257), '\u{1F40E}'.repeat(257)]) {
      const email = `${randomUUID()}@example.com`
      for (const answer of [await register(email, password), await logIn(email, password)]) {
        expect([answer.status, (answer.body as Problem).code]).toEqual([400, 'invalid-request'])
        expect((answer.body as Problem).errors).toMatchObject([{ pointer: '/password' }])
      }
    }

    expect(takeWork()).toEqual([])
  })

  test('has at least 8 characters, counted as code points in composed form', async () => {
    const email = `${randomUUID()}@example.com`
    const short = ['1234567', '\u{1F40E}'.repeat(7), 'e\u0301'.repeat(7), '\ud55c'.repeat(7)]

    for (const password of short) {
      const { status, body } = await register(email, password)
      expect([status, (body as Problem).code]).toEqual([422, 'weak-password'])
    }

    expect((await register(email, '')).status).toBe(400)
    expect(takeWork()).toEqual([])
    expect((await logIn(email, '1234567')).status).toBe(401)
  })

  test.each([
    ['U+0000', String.raw`a pass\u0000word`],
    ['a high surrogate alone', String.raw`a pass\ud83dword`],
    ['a low surrogate alone', String.raw`a pass\udc0eword`],
    ['two surrogates in the wrong order', String.raw`a pass\udc0e\ud83dword`],
  ])('with %s is refused with 400 before any hashing', async (_, written) => {
    const email = `${randomUUID()}@example.com`
    const body = `"email":"${email}","password":"${written}"`

    const answers = [
      await post('logIn', `{${body}}`),
      await post('register', `{${body},"displayName":"Kate"}`),
    ]

    for (const answer of answers) {
      expect([answer.status, answer.problem().code]).toEqual([400, 'invalid-request'])
      expect(answer.text).not.toContain('a pass')
    }
    expect(takeWork()).toEqual([])
  })

  test('must not be one of the most common, in any case or form of its letters', async () => {
    const alice = await server.createUser()
    const common = ['password', 'password1', '12345678', 'qwertyuiop', 'iloveyou', 'sunshine1']
    const written = common.flatMap((one) => [
      one,
      one.toUpperCase(),
      one[0]!.toUpperCase() + one.slice(1),
      [...one].map((letter, i) => (i % 2 ? letter.toUpperCase() : letter)).join(''),
      one.replace('k', '\u212a'),
    ])
    takeWork()

    for (const password of new Set(written)) {
      const { status, body } = await register(`${randomUUID()}@example.com`, password)
      expect([password, status, (body as Problem).code]).toEqual([password, 422, 'weak-password'])
    }
    expect(takeWork()).toEqual([])
    for (const password of ['PassWord1', 'ILOVEYOU']) {
      const { body } = await change(alice, password)
      expect((body as unknown as Problem).code).toBe('weak-password')
    }
    expect((await logIn(alice.identity.email, alice.identity.password)).status).toBe(200)
  })

  test.each([[null], [1], [true], [[]], [['a password']], [{ $ne: '' }], [{ length: 20 }]])(
    'is refused with 400 and never compared when it is %j',
    async (odd) => {
      const { email } = (await server.createUser()).identity
      takeWork()

      const answer = await post('logIn', JSON.stringify({ email, password: odd }))

      expect([answer.status, answer.problem().code]).toEqual([400, 'invalid-request'])
      expect(takeWork()).toEqual([])
    },
  )
})

describe('a change of BCRYPT_COST', () => {
  test('applies to an account at its next login with the right password, and only then', async () => {
    const { email, password } = (await server.createUser()).identity
    const hashOf = async () =>
      (await testStore.database.prisma.account.findUniqueOrThrow({ where: { email } }))
        .passwordHash!
    const stronger = createPasswords({ key: Buffer.alloc(32, 7), cost: 5 })
    const weaker = createPasswords({ key: Buffer.alloc(32, 7), cost: 4 })
    const passwordHash = await weaker.hash(password)
    await testStore.database.prisma.account.update({ where: { email }, data: { passwordHash } })
    const changed = await startServer({
      testStore,
      replacements: { deps: { passwords: stronger } },
    })

    const wrong = { body: { email, password: 'not my password' } }
    await changed.anonymous.refused('invalid-credentials', 'logIn', wrong)
    expect(await hashOf()).toBe(passwordHash)

    await changed.anonymous.expect(200, 'logIn', { body: { email, password } })

    expect(stronger.isOutdated(await hashOf())).toBe(false)
    await changed.anonymous.expect(200, 'logIn', { body: { email, password } })
    await changed.close()
  })
})
