import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { createPasswords } from '../../src/ports/passwords/passwords.ts'
import type { Client } from '../support/client.ts'
import { createCountedPasswords } from '../support/counted-passwords.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send, type WireAnswer } from '../support/wire/wire.ts'

const { passwords, takeWork } = createCountedPasswords()

let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const instead = { deps: { passwords } }
  server = await startServer({ testStore, env: { REGISTRATION: 'open' }, instead })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})
beforeEach(() => void takeWork())

const logIn = (email: string, password: string) =>
  server.anybody.call('logIn', { body: { email, password } })

const register = (email: string, password: string) =>
  server.anybody.call('register', { body: { email, password, displayName: 'Kate' } })

const change = (who: Client, newPassword: string, currentPassword = who.identity.password) =>
  who.call('changePassword', { body: { currentPassword, newPassword } })

/** A new account with this password; registering must work. */
async function personWith(password: string): Promise<string> {
  const email = `${randomUUID()}@example.com`
  expect((await register(email, password)).status).toBe(201)
  return email
}

/** Sends the JSON of a body as it is, for text that a client could not make. */
const post = (operationId: 'logIn' | 'register', json: string) =>
  send(server.anybody.urlOf(operationId), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: json,
  })

describe('an email', () => {
  const unique = randomUUID().slice(0, 8)
  const email = `kate.is+${unique}@mail.example.com`
  const password = 'the password of Kate'
  beforeAll(async () => {
    expect((await register(email, password)).status).toBe(201)
  })

  const spellings = [
    email.toUpperCase(),
    email.replace('k', 'K'),
    email.replace('mail.example', 'Mail.EXAMPLE'),
    ` ${email}`,
    `${email} `,
    `\t\r\n${email}\n`,
    `\u00a0${email}\u3000`,
    `\ufeff${email}`,
  ]

  test('in any case and with white space around it is one account, for logging in and registering', async () => {
    for (const spelling of spellings) {
      expect([spelling, (await logIn(spelling, password)).status]).toEqual([spelling, 200])
      expect((await logIn(spelling, `${password}!`)).status).toBe(401)
      const { body, status } = await register(spelling, password)
      expect([status, (body as Problem).code]).toEqual([409, 'email-taken'])
    }
  })

  test.each([
    ['a Kelvin sign for the k', email.replace('k', '\u212a')],
    ['a long s', email.replace('s', '\u017f')],
    ['a dotless i', email.replace('i', '\u0131')],
    ['a capital I with a dot', email.replace('i', '\u0130')],
    ['wide letters', email.replace('kate', '\uff4b\uff41\uff54\uff45')],
    ['a wide at sign', email.replace('@', '\uff20')],
    ['a small at sign', email.replace('@', '\ufe6b')],
    ['a wide dot in the domain', email.replace('.com', '\uff0ecom')],
    ['a Cyrillic a', email.replace('a', '\u0430')],
    ['a letter and an accent beside it', email.replace('a', 'a\u0301')],
    ['a soft hyphen', email.replace('a', 'a\u00ad')],
    ['a space of no width', email.replace('a', 'a\u200b')],
    ['a space of no width at the end', `${email}\u200b`],
    ['text that runs from right to left', `\u202e${email}`],
    ['a tab inside', email.replace('@', '\t@')],
    ['a second address', `${email},evil@example.com`],
    ['a name around it', `Kate <${email}>`],
    ['a comment', `${email}(kate)`],
    ['quotes', email.replace('kate.is', '"kate.is"')],
    ['a dot at the end of the domain', `${email}.`],
  ])(
    'with %s is 400 at /email, wherever one is asked for, and nothing is hashed',
    async (_, twin) => {
      for (const answer of [await logIn(twin, password), await register(twin, password)]) {
        const { code, errors } = answer.body as Problem
        expect([answer.status, code]).toEqual([400, 'invalid-request'])
        expect(errors).toMatchObject([{ in: 'body', pointer: '/email' }])
      }
      expect(takeWork()).toEqual([])
    },
  )

  test('is one account for twenty who register its spellings at once', async () => {
    const fresh = `${randomUUID()}@example.com`
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const spelling = i % 2 === 0 ? fresh.toUpperCase() : ` ${fresh}`
        return register(spelling, `the password of number ${i}`)
      }),
    )
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(all.filter(({ status }) => status === 409)).toHaveLength(19)
    const winner = all.findIndex(({ status }) => status === 201)
    const tries = await Promise.all(all.map((_, i) => logIn(fresh, `the password of number ${i}`)))
    expect(tries.flatMap(({ status }, i) => (status === 200 ? [i] : []))).toEqual([winner])
  })

  test('of somebody is no secret kept by its dots and tags: they are other addresses', async () => {
    expect((await logIn(email.replace('kate.is', 'kateis'), password)).status).toBe(401)
    expect((await logIn(email.replace(`+${unique}`, ''), password)).status).toBe(401)
  })
})

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
    ['with a half that has its other half', 'a pair \ud83d\udc0e of halves'],
  ])('%s lets in who registered with it, and nobody with less of it', async (_, password) => {
    const email = await personWith(password)
    expect((await logIn(email, password)).status).toBe(200)
    const less = [...password].slice(0, -1).join('')
    const more = [...password, 'x'].slice(0, 256).join('')
    const others = [less, password.trim(), password.toUpperCase(), more]
    for (const other of others.filter((one) => one !== password && one !== '')) {
      expect((await logIn(email, other)).status).toBe(401)
    }
  })

  test.each([71, 72, 73, 128, 255])(
    'is read beyond %d bytes: its last character counts',
    async (length) => {
      const password = `${'x'.repeat(length)}a`
      const email = await personWith(password)
      expect((await logIn(email, `${'x'.repeat(length)}b`)).status).toBe(401)
      expect((await logIn(email, 'x'.repeat(length))).status).toBe(401)
      expect((await logIn(email, password)).status).toBe(200)
    },
  )

  test('is the same however its letters are composed, and wherever it is typed', async () => {
    const composed = '\u00e9t\u00e9 \ud55c\uae00 \u1e69ong'
    const decomposed = composed.normalize('NFD')
    expect(decomposed).not.toBe(composed)
    const email = await personWith(decomposed)
    const tokens = (
      await server.anybody.expect(200, 'logIn', { body: { email, password: composed } })
    ).body
    const who = server.anybody.with(tokens)
    expect((await change(who, composed.replace('ong', 'ang'), decomposed)).status).toBe(204)
    expect((await logIn(email, decomposed.replace('ong', 'ang'))).status).toBe(200)
    // Letters that only look alike are others (NFC, not NFKC).
    expect((await logIn(email, composed.replace('ong', '\uff41ng'))).status).toBe(401)
  })

  test('has at most 256 characters, counted as people count and not in halves', async () => {
    for (const password of ['x'.repeat(257), '\u{1F40E}'.repeat(257)]) {
      const email = `${randomUUID()}@example.com`
      for (const answer of [await register(email, password), await logIn(email, password)]) {
        expect([answer.status, (answer.body as Problem).code]).toEqual([400, 'invalid-request'])
        expect((answer.body as Problem).errors).toMatchObject([{ pointer: '/password' }])
      }
    }
    expect(takeWork()).toEqual([])
  })

  test('has at least 8 characters, counted as people count and not in halves or accents', async () => {
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
    ['the first half of a pair', String.raw`a pass\ud83dword`],
    ['the second half of a pair', String.raw`a pass\udc0eword`],
    ['two halves in the wrong order', String.raw`a pass\udc0e\ud83dword`],
  ])('with %s is 400 wherever it is typed, and nothing is hashed', async (_, written) => {
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

  test('is none of the commonest, in any case and composed anyhow', async () => {
    const alice = await server.newUser()
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

  test.each([null, 1, true, [], ['a password'], { $ne: '' }, { length: 20 }])(
    'is text: %j is 400 and never compared',
    async (odd) => {
      const { email } = (await server.newUser()).identity
      takeWork()
      const answer = await post('logIn', JSON.stringify({ email, password: odd }))
      expect([answer.status, answer.problem().code]).toEqual([400, 'invalid-request'])
      expect(takeWork()).toEqual([])
    },
  )
})

describe('who does not know the password cannot tell whether there is an account', () => {
  /** All that an answer says, but for what differs between any two calls. */
  function said({ status, headers, text }: WireAnswer) {
    const { 'x-request-id': id, ratelimit, date: _date, ...rest } = headers
    const state = ratelimit?.replaceAll(/\d+/g, '…')
    return { status, text: text.replaceAll(id!, '…'), state, ...rest }
  }

  /** How it answers, and the hashing that it took. */
  async function tryAs(email: string, password: string) {
    takeWork()
    const answer = await post('logIn', JSON.stringify({ email, password }))
    return { said: said(answer), work: takeWork() }
  }

  test('by the body, the headers or the number of hashes', async () => {
    const [alice, bob, carol] = [
      await server.newUser(),
      await server.newUser(),
      await server.newUser(),
    ]
    const { prisma } = testStore.database
    const disabledAt = server.clock.now()
    await prisma.account.update({ where: { email: bob.identity.email }, data: { disabledAt } })
    await prisma.account.update({
      where: { email: carol.identity.email },
      data: { passwordHash: await createPasswords({ key: Buffer.alloc(32), cost: 5 }).hash('x') },
    })
    const unknown = await tryAs(`${randomUUID()}@example.com`, 'not my password')
    expect(unknown.said).toMatchObject({ status: 401 })
    expect(unknown.work).toEqual(['verify'])
    const known = [alice, bob, carol].map(({ identity }) => identity.email)
    for (const email of [...known, 'admin@example.com', 'ADMIN@example.com ']) {
      expect(await tryAs(email, 'not my password')).toEqual(unknown)
    }
    for (const password of ['x', 'x'.repeat(256), '\u{1F40E}'.repeat(256)]) {
      expect(await tryAs(alice.identity.email, password)).toEqual(unknown)
      expect(await tryAs(`${randomUUID()}@example.com`, password)).toEqual(unknown)
    }
  })

  test('by registering, when registration is closed', async () => {
    const closed = await startServer({ testStore, instead: { deps: { passwords } } })
    takeWork()
    for (const email of ['admin@example.com', `${randomUUID()}@example.com`]) {
      const body = { email, password: 'a fine password', displayName: 'Kate' }
      await closed.anybody.refused('registration-closed', 'register', { body })
    }
    expect(takeWork()).toEqual([])
    await closed.close()
  })
})

describe('a change of BCRYPT_COST', () => {
  test('reaches an account with its next right password, and only then', async () => {
    const { email, password } = (await server.newUser()).identity
    const hashOf = async () =>
      (await testStore.database.prisma.account.findUniqueOrThrow({ where: { email } }))
        .passwordHash!
    const dearer = createPasswords({ key: Buffer.alloc(32, 7), cost: 5 })
    const cheaper = createPasswords({ key: Buffer.alloc(32, 7), cost: 4 })
    const passwordHash = await cheaper.hash(password)
    await testStore.database.prisma.account.update({ where: { email }, data: { passwordHash } })
    const changed = await startServer({ testStore, instead: { deps: { passwords: dearer } } })
    const wrong = { body: { email, password: 'not my password' } }
    await changed.anybody.refused('invalid-credentials', 'logIn', wrong)
    expect(await hashOf()).toBe(passwordHash)
    await changed.anybody.expect(200, 'logIn', { body: { email, password } })
    expect(dearer.isOutdated(await hashOf())).toBe(false)
    await changed.anybody.expect(200, 'logIn', { body: { email, password } })
    await changed.close()
  })
})
