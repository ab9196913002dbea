import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { openStream } from '../support/wire/stream.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'
import {
  ANONYMOUS,
  CHAT,
  USER,
  expectRefusal,
  fromElsewhere,
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

  type Case = { what: string; status: number; policy: 'anonymous' | 'user'; call: Call }
  type Call = (alice: Client) => Promise<{ status: number; headers: Record<string, string> }>
  const asAlice = (alice: Client) => ({ ...alice.credentials, 'Content-Type': 'application/json' })
  const post = (alice: Client, headers: Record<string, string>, body: string | Buffer) =>
    send(alice.urlOf('createConversation'), {
      method: 'POST',
      headers: { ...asAlice(alice), ...headers },
      body,
    })
  const cases: Case[] = [
    { what: 'a success', status: 200, policy: 'user', call: (alice) => alice.call('getProfile') },
    {
      what: 'a success without a credential',
      status: 200,
      policy: 'anonymous',
      call: (alice) => send(alice.urlOf('getStatus'), { headers: fromElsewhere() }),
    },
    {
      what: 'what was made',
      status: 201,
      policy: 'user',
      call: (alice) => alice.call('createConversation', { body: {} }),
    },
    {
      what: 'an answer without a body',
      status: 204,
      policy: 'user',
      call: (alice) => alice.call('logOut', { body: { scope: 'others' } }),
    },
    {
      what: 'what has not changed',
      status: 304,
      policy: 'user',
      call: (alice) => alice.call('getProfile', { headers: { 'If-None-Match': '*' } }),
    },
    {
      what: 'an old place',
      status: 308,
      policy: 'anonymous',
      call: () => send(`${server.url}/test`, { headers: fromElsewhere() }),
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
      call: (alice) => send(alice.urlOf('getProfile'), { headers: fromElsewhere() }),
    },
    {
      what: 'a wrong credential',
      status: 401,
      policy: 'anonymous',
      call: (alice) =>
        send(alice.urlOf('getProfile'), {
          headers: { Authorization: 'Bearer junk', ...fromElsewhere() },
        }),
    },
    {
      what: 'a wrong password',
      status: 401,
      policy: 'anonymous',
      call: (alice) =>
        alice.call('logIn', {
          headers: fromElsewhere(),
          body: { email: alice.identity.email, password: 'wrong' },
        }),
    },
    {
      what: 'a thing that does not exist',
      status: 404,
      policy: 'user',
      call: (alice) =>
        alice.call('getConversation', {
          path: { conversationId: '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10' },
        }),
    },
    {
      what: 'a path that does not exist',
      status: 404,
      policy: 'anonymous',
      call: (alice) =>
        send(`${server.url}/api/v1/nonsense`, {
          headers: { ...asAlice(alice), ...fromElsewhere() },
        }),
    },
    {
      what: 'a method that does not exist',
      status: 405,
      policy: 'anonymous',
      call: (alice) =>
        send(alice.urlOf('getProfile'), { method: 'POST', headers: fromElsewhere() }),
    },
    {
      what: 'what cannot be answered as asked',
      status: 406,
      policy: 'user',
      call: (alice) => alice.call('getProfile', { headers: { Accept: 'text/html' } }),
    },
    {
      what: 'a stale version',
      status: 412,
      policy: 'user',
      call: (alice) =>
        alice.call('replaceProfile', {
          headers: { 'If-Match': '"99"' },
          body: { displayName: 'Ada', preferences: {} },
        }),
    },
    {
      what: 'a body that is too large',
      status: 413,
      policy: 'user',
      call: (alice) => post(alice, {}, Buffer.alloc(262_145, 'x')),
    },
    {
      what: 'a body of another type',
      status: 415,
      policy: 'user',
      call: (alice) => post(alice, { 'Content-Type': 'text/plain' }, 'x'),
    },
  ]

  test.each(cases)('are on $status, $what, and show $policy alone', async (one) => {
    const answer = await one.call(await server.createUser())

    expect(answer.status).toBe(one.status)
    expectCounted(answer, [one.policy])
  })

  test('show both limits of a chat, streamed or whole', async () => {
    const alice = await server.createUser()
    const whole = await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
    expectCounted(whole, ['user', 'chat'])

    const stream = await openStream(alice, { message: 'Hello!' })
    expect(stream.status).toBe(200)
    expectCounted({ headers: Object.fromEntries(stream.headers) }, ['user', 'chat'])

    await stream.rest()
  })

  test('are on a refusal of a stream as well', async () => {
    const alice = await server.createUser()

    for (let i = 0; i < CHAT; i += 1) {
      await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
    }

    expectRefusal(await alice.call('streamMessage', { body: { message: 'Hello!' } }), 'chat')
  })

  test('are not on what costs nothing, however often it is asked', async () => {
    const headers = fromElsewhere()
    for (const operationId of ['getHealth', 'getReadiness'] as const) {
      for (let i = 0; i < ANONYMOUS + 5; i += 1) {
        const answer = await send(server.anonymous.urlOf(operationId), { headers })
        expect(answer.headers).not.toHaveProperty('ratelimit')
        expect(answer.headers).not.toHaveProperty('ratelimit-policy')
      }
    }

    const first = await server.anonymous.expect(200, 'getStatus', { headers })

    expect(limitsOf(first.headers)['anonymous']!.remaining).toBe(ANONYMOUS - 1)
  })
})
