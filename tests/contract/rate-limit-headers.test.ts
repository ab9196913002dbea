import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { openStream } from '../support/wire/stream.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'
import {
  ANONYMOUS,
  CHAT,
  USER,
  expectRefusal,
  fromNewAddress,
  limitsOf,
  server,
} from './limits.given.ts'

describe('RateLimit and RateLimit-Policy', () => {
  const POLICIES = {
    anonymous: { quota: ANONYMOUS, windowSeconds: 3600 },
    user: { quota: USER, windowSeconds: 600 },
    chat: { quota: CHAT, windowSeconds: 60 },
  }

  function expectCounted(
    { headers }: Pick<WireResponse, 'headers'>,
    names: (keyof typeof POLICIES)[],
  ) {
    const counted = limitsOf(headers)
    expect(Object.keys(counted)).toEqual(names)
    for (const name of names) expect(counted[name]).toMatchObject(POLICIES[name])
  }

  type Call = (alice: Client) => Promise<{ status: number; headers: Record<string, string> }>
  type Case = { what: string; status: number; policy: 'anonymous' | 'user'; call: Call }

  const headersOf = (alice: Client) => ({
    ...alice.credentials,
    'Content-Type': 'application/json',
  })
  const post = (alice: Client, headers: Record<string, string>, body: string | Buffer) =>
    send(alice.urlOf('createConversation'), {
      method: 'POST',
      headers: { ...headersOf(alice), ...headers },
      body,
    })
  const cases: Case[] = [
    { what: 'a success', status: 200, policy: 'user', call: (alice) => alice.call('getProfile') },
    {
      what: 'a success without a credential',
      status: 200,
      policy: 'anonymous',
      call: (alice) => send(alice.urlOf('getStatus'), { headers: fromNewAddress() }),
    },
    {
      what: 'a created resource',
      status: 201,
      policy: 'user',
      call: (alice) => alice.call('createConversation', { body: {} }),
    },
    {
      what: 'a response without a body',
      status: 204,
      policy: 'user',
      call: (alice) => alice.call('logOut', { body: { scope: 'others' } }),
    },
    {
      what: 'an unchanged resource',
      status: 304,
      policy: 'user',
      call: (alice) => alice.call('getProfile', { headers: { 'If-None-Match': '*' } }),
    },
    {
      what: 'an old path',
      status: 308,
      policy: 'anonymous',
      call: () => send(`${server.url}/test`, { headers: fromNewAddress() }),
    },
    {
      what: 'a bad request',
      status: 400,
      policy: 'user',
      call: (alice) => post(alice, {}, '{"nonsense":1}'),
    },
    { what: 'malformed JSON', status: 400, policy: 'user', call: (alice) => post(alice, {}, '{') },
    {
      what: 'a missing credential',
      status: 401,
      policy: 'anonymous',
      call: (alice) => send(alice.urlOf('getProfile'), { headers: fromNewAddress() }),
    },
    {
      what: 'a wrong credential',
      status: 401,
      policy: 'anonymous',
      call: (alice) =>
        send(alice.urlOf('getProfile'), {
          headers: { Authorization: 'Bearer junk', ...fromNewAddress() },
        }),
    },
    {
      what: 'a wrong password',
      status: 401,
      policy: 'anonymous',
      call: (alice) =>
        alice.call('logIn', {
          headers: fromNewAddress(),
          body: { email: alice.identity.email, password: 'wrong' },
        }),
    },
    {
      what: 'an unknown resource',
      status: 404,
      policy: 'user',
      call: (alice) =>
        alice.call('getConversation', {
          path: { conversationId: '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10' },
        }),
    },
    {
      what: 'an unknown path',
      status: 404,
      policy: 'anonymous',
      call: (alice) =>
        send(`${server.url}/api/v1/nonsense`, {
          headers: { ...headersOf(alice), ...fromNewAddress() },
        }),
    },
    {
      what: 'an unknown method',
      status: 405,
      policy: 'anonymous',
      call: (alice) =>
        send(alice.urlOf('getProfile'), { method: 'POST', headers: fromNewAddress() }),
    },
    {
      what: 'an unacceptable media type',
      status: 406,
      policy: 'user',
      call: (alice) => alice.call('getProfile', { headers: { Accept: 'text/html' } }),
    },
    {
      what: 'an outdated version',
      status: 412,
      policy: 'user',
      call: (alice) =>
        alice.call('replaceProfile', {
          headers: { 'If-Match': '"99"' },
          body: { displayName: 'Ada', preferences: {} },
        }),
    },
    {
      what: 'a body over the limit',
      status: 413,
      policy: 'user',
      call: (alice) => post(alice, {}, Buffer.alloc(262_145, 'x')),
    },
    {
      what: 'an unsupported media type',
      status: 415,
      policy: 'user',
      call: (alice) => post(alice, { 'Content-Type': 'text/plain' }, 'x'),
    },
  ]

  test.each(cases)(
    'show only the $policy limit on $status ($what)',
    async ({ status, policy, call }) => {
      const response = await call(await server.createUser())

      expect(response.status).toBe(status)
      expectCounted(response, [policy])
    },
  )

  test('show both limits of a chat, with and without streaming', async () => {
    const alice = await server.createUser()

    const whole = await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })

    expectCounted(whole, ['user', 'chat'])

    const stream = await openStream(alice, { message: 'Hello!' })
    expect(stream.status).toBe(200)
    expectCounted({ headers: Object.fromEntries(stream.headers) }, ['user', 'chat'])

    await stream.rest()
  })

  test('are sent when a stream is refused, too', async () => {
    const alice = await server.createUser()

    for (let i = 0; i < CHAT; i += 1) {
      await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
    }

    expectRefusal(await alice.call('streamMessage', { body: { message: 'Hello!' } }), 'chat')
  })

  test('are not sent by unlimited operations, which count against no limit', async () => {
    const headers = fromNewAddress()
    for (const operationId of ['getHealth', 'getReadiness'] as const) {
      for (let i = 0; i < ANONYMOUS + 5; i += 1) {
        const response = await send(server.anonymous.urlOf(operationId), { headers })
        expect(response.headers).not.toHaveProperty('ratelimit')
        expect(response.headers).not.toHaveProperty('ratelimit-policy')
      }
    }

    const first = await server.anonymous.expect(200, 'getStatus', { headers })

    expect(limitsOf(first.headers)['anonymous']!.remaining).toBe(ANONYMOUS - 1)
  })
})
