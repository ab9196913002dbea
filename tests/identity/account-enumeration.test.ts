import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createPasswords } from '../../src/ports/passwords/passwords.ts'
import { startServer } from '../support/server.ts'
import type { WireResponse } from '../support/wire/wire.ts'
import { passwords, post, server, takeWork, testStore } from './passwords.given.ts'

describe('whether an account exists', () => {
  /** Returns a response without what differs between any two calls. */
  function comparable({ status, headers, text }: WireResponse) {
    const { 'x-request-id': id, ratelimit, date: _date, ...rest } = headers
    const state = ratelimit?.replaceAll(/\d+/g, '…')
    return { status, text: text.replaceAll(id!, '…'), state, ...rest }
  }

  /** Logs in, and returns the response and the hashing that it took. */
  async function tryToLogIn(email: string, password: string) {
    takeWork()
    const response = await post('logIn', JSON.stringify({ email, password }))
    return { response: comparable(response), work: takeWork() }
  }

  test('does not show in the body, headers or hashing of a failed login', async () => {
    const [alice, bob, carol] = [
      await server.createUser(),
      await server.createUser(),
      await server.createUser(),
    ]
    const { prisma } = testStore.database
    const disabledAt = server.clock.now()
    await prisma.account.update({ where: { email: bob.identity.email }, data: { disabledAt } })
    await prisma.account.update({
      where: { email: carol.identity.email },
      data: { passwordHash: await createPasswords({ key: Buffer.alloc(32), cost: 5 }).hash('x') },
    })

    const unknown = await tryToLogIn(`${randomUUID()}@example.com`, 'not my password')

    expect(unknown.response).toMatchObject({ status: 401 })
    expect(unknown.work).toEqual(['verify'])
    const known = [alice, bob, carol].map(({ identity }) => identity.email)
    for (const email of [...known, 'admin@example.com', 'ADMIN@example.com ']) {
      expect(await tryToLogIn(email, 'not my password')).toEqual(unknown)
    }
    for (const password of ['x', 'x'.repeat(256), '\u{1F40E}'.repeat(256)]) {
      expect(await tryToLogIn(alice.identity.email, password)).toEqual(unknown)
      expect(await tryToLogIn(`${randomUUID()}@example.com`, password)).toEqual(unknown)
    }
  })

  test('does not show in a registration while registration is closed', async () => {
    const closed = await startServer({ testStore, replacements: { deps: { passwords } } })
    takeWork()

    for (const email of ['admin@example.com', `${randomUUID()}@example.com`]) {
      const body = { email, password: 'a fine password', displayName: 'Kate' }
      await closed.anonymous.refused('registration-closed', 'register', { body })
    }

    expect(takeWork()).toEqual([])
    await closed.close()
  })
})
