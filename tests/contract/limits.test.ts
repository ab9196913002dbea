import { parseList } from 'structured-headers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { addressSubject } from '../../src/domain/limits/limit-subjects.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { MemoryLimiter } from '../../src/ports/limiter/memory.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { send, type WireAnswer } from '../support/wire/wire.ts'

const ANONYMOUS = 40
const USER = 30
const CHAT = 5

let server: TestServer
let nextAddress = 1
beforeAll(async () => {
  server = await startServer({
    env: {
      RATE_LIMIT_ANONYMOUS: `${ANONYMOUS}/3600`,
      RATE_LIMIT_USER: `${USER}/600`,
      RATE_LIMIT_CHAT: `${CHAT}/60`,
      TRUST_PROXY: '1',
    },
  })
})
afterAll(() => server.close())

/** Of somebody at an address from which nobody has called yet. */
const fromElsewhere = () => ({ 'X-Forwarded-For': `198.51.100.${nextAddress++}` })

type State = { quota: number; windowSeconds: number; remaining: number; resetsInSeconds: number }

/** What the two headers say, by policy; read by a parser that is not ours. */
function limitsOf(headers: Record<string, string>): Record<string, State> {
  const lists = ['ratelimit-policy', 'ratelimit'].map((name) => parseList(headers[name] ?? ''))
  const [policies = [], states = []] = lists
  expect(states.map(([name]) => name)).toEqual(policies.map(([name]) => name))
  const all = policies.map(([name, policy], i): [string, State] => {
    const [, state] = states[i]!
    const [quota, windowSeconds] = [policy.get('q'), policy.get('w')] as number[]
    const [remaining, resetsInSeconds] = [state.get('r'), state.get('t')] as number[]
    const numbers = { quota, windowSeconds, remaining, resetsInSeconds } as State
    expect(Object.values(numbers).every((value) => Number.isInteger(value))).toBe(true)
    expect(numbers.resetsInSeconds).toBeLessThanOrEqual(numbers.windowSeconds)
    return [name as string, numbers]
  })
  return Object.fromEntries(all)
}

function expectRefusal(answer: { headers: Record<string, string>; body: unknown }, policy: string) {
  const { code, violatedPolicies, retryable } = answer.body as Problem
  expect({ code, violatedPolicies, retryable }).toEqual({
    code: 'quota-exceeded',
    violatedPolicies: [policy],
    retryable: true,
  })
  const { remaining, resetsInSeconds } = limitsOf(answer.headers)[policy]!
  expect(remaining).toBe(0)
  expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
  expect(Number(answer.headers['retry-after'])).toBe(Math.max(1, resetsInSeconds))
}

async function fiftyAtOnce<T extends { status: number }>(call: (i: number) => Promise<T>) {
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => call(i)))
  return {
    taken: answers.filter(({ status }) => status < 400),
    refused: answers.filter(({ status }) => status === 429),
  }
}

describe('fifty calls at once', () => {
  test('get exactly as many through as anonymous allows an address', async () => {
    const headers = fromElsewhere()
    const { taken, refused } = await fiftyAtOnce(() =>
      server.anybody.call('listModes', { headers }),
    )
    expect([taken.length, refused.length]).toEqual([ANONYMOUS, 50 - ANONYMOUS])
    const left = taken.map((answer) => limitsOf(answer.headers)['anonymous']!.remaining)
    expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: ANONYMOUS }, (_, i) => i))
    for (const answer of refused) expectRefusal(answer, 'anonymous')
    await server.anybody.expect(200, 'listModes', { headers: fromElsewhere() })
  })

  test('get exactly as many through as user allows a principal, from wherever they come', async () => {
    const alice = await server.newUser()
    const { taken, refused } = await fiftyAtOnce(() =>
      alice.call('getProfile', { headers: fromElsewhere() }),
    )
    expect([taken.length, refused.length]).toEqual([USER, 50 - USER])
    for (const answer of refused) expectRefusal(answer, 'user')
  })

  test('get exactly as many answers as chat allows, and those that are refused cost nothing', async () => {
    const alice = await server.newUser()
    const { taken, refused } = await fiftyAtOnce((i) =>
      alice.call('sendMessage', { body: { message: `Message ${i}` } }),
    )
    expect([taken.length, refused.length]).toEqual([CHAT, 50 - CHAT])
    for (const answer of refused) expectRefusal(answer, 'chat')
    const { body, headers } = await alice.expect(200, 'listConversations')
    expect(body.data).toHaveLength(CHAT)
    expect(limitsOf(headers)['user']!.remaining).toBe(USER - CHAT - 1)
  })
})

test('calls that look at the same moment take no more than there is, and give the rest back', async () => {
  const limiter = new MemoryLimiter(systemClock)
  const counters = [
    { name: 'user', subject: 'alice', quota: USER, windowSeconds: 600 },
    { name: 'chat', subject: 'alice', quota: CHAT, windowSeconds: 60 },
  ]
  const taken = await Promise.all(Array.from({ length: 20 }, () => limiter.take(counters)))
  const through = taken.filter((tallies) => tallies.every(({ spent }) => !spent))
  expect(through).toHaveLength(CHAT)
  const left = (await limiter.peek(counters)).map(({ remaining }) => remaining)
  expect(left).toEqual([USER - CHAT, 0])
})

describe('a call with two limits', () => {
  test('consumes neither if one refuses', async () => {
    const alice = await server.newUser()
    const say = () => alice.call('sendMessage', { body: { message: 'Hello!' } })
    for (let i = 0; i < CHAT; i += 1) await say()
    for (let i = 0; i < 3; i += 1) {
      const answer = await say()
      expectRefusal(answer, 'chat')
      expect(limitsOf(answer.headers)['user']!.remaining).toBe(USER - CHAT)
    }
    const { headers } = await alice.expect(200, 'getProfile')
    expect(limitsOf(headers)['user']!.remaining).toBe(USER - CHAT - 1)
  })

  test('names both when both are spent, and waits for the later one', async () => {
    const alice = await server.newUser()
    const say = () => alice.call('sendMessage', { body: { message: 'Hello!' } })
    for (let i = 0; i < CHAT; i += 1) await say()
    for (let i = 0; i < USER - CHAT; i += 1) await alice.expect(200, 'getProfile')
    const { headers, body } = await say()
    expect((body as Problem).violatedPolicies).toEqual(['user', 'chat'])
    expect(Number(headers['retry-after'])).toBe(limitsOf(headers)['user']!.resetsInSeconds)
  })
})

describe('RateLimit and RateLimit-Policy', () => {
  const POLICIES = {
    anonymous: { quota: ANONYMOUS, windowSeconds: 3600 },
    user: { quota: USER, windowSeconds: 600 },
    chat: { quota: CHAT, windowSeconds: 60 },
  }

  function expectCounted(
    { headers }: Pick<WireAnswer, 'headers'>,
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
    const answer = await one.call(await server.newUser())
    expect(answer.status).toBe(one.status)
    expectCounted(answer, [one.policy])
  })

  test('show both limits of a chat, streamed or whole', async () => {
    const alice = await server.newUser()
    const whole = await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
    expectCounted(whole, ['user', 'chat'])
    const stream = await openStream(alice, { message: 'Hello!' })
    expect(stream.status).toBe(200)
    expectCounted({ headers: Object.fromEntries(stream.headers) }, ['user', 'chat'])
    await stream.rest()
  })

  test('are on a refusal of a stream as well', async () => {
    const alice = await server.newUser()
    for (let i = 0; i < CHAT; i += 1) {
      await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
    }
    expectRefusal(await alice.call('streamMessage', { body: { message: 'Hello!' } }), 'chat')
  })

  test('are not on what costs nothing, however often it is asked', async () => {
    const headers = fromElsewhere()
    for (const operationId of ['getHealth', 'getReadiness'] as const) {
      for (let i = 0; i < ANONYMOUS + 5; i += 1) {
        const answer = await send(server.anybody.urlOf(operationId), { headers })
        expect(answer.headers).not.toHaveProperty('ratelimit')
        expect(answer.headers).not.toHaveProperty('ratelimit-policy')
      }
    }
    const first = await server.anybody.expect(200, 'getStatus', { headers })
    expect(limitsOf(first.headers)['anonymous']!.remaining).toBe(ANONYMOUS - 1)
  })
})

describe('whoever has no valid credential', () => {
  test('is refused by its address, whatever it tries', async () => {
    const headers = fromElsewhere()
    for (let i = 0; i < ANONYMOUS; i += 1) await send(`${server.url}/nonsense`, { headers })
    for (const path of ['/api/v1/status', '/api/v1/users/profile', '/nonsense', '/chat', '/%zz']) {
      const answer = await send(server.url + path, { headers })
      expect([path, answer.status]).toEqual([path, 429])
    }
    const answer = await send(`${server.url}/api/v1/conversations/%zz`, { headers })
    expect(answer.status).toBe(429)
  })

  test('does not keep who has one from calling at the same address', async () => {
    const alice = await server.newUser()
    const headers = fromElsewhere()
    for (let i = 0; i < ANONYMOUS + 1; i += 1) await send(`${server.url}/nonsense`, { headers })
    await alice.expect(200, 'getProfile', { headers })
  })
})

describe('the address that counts', () => {
  test('is the last one that a trusted proxy names', async () => {
    const address = `198.51.100.${nextAddress++}`
    const left = async (forwarded: string) => {
      const headers = { 'X-Forwarded-For': forwarded }
      const answer = await server.anybody.expect(200, 'listModes', { headers })
      return limitsOf(answer.headers)['anonymous']!.remaining
    }
    expect(await left(address)).toBe(ANONYMOUS - 1)
    expect(await left(`203.0.113.9, ${address}`)).toBe(ANONYMOUS - 2)
    expect(await left(`::ffff:${address}`)).toBe(ANONYMOUS - 3)
    expect(await left('2001:db8:1:2::1')).toBe(ANONYMOUS - 1)
    expect(await left('2001:db8:1:2:ffff::2')).toBe(ANONYMOUS - 2)
    expect(await left('2001:db8:1:3::1')).toBe(ANONYMOUS - 1)
  })

  test('is the one of the connection, whatever a client claims, without a trusted proxy', async () => {
    const open = await startServer({ env: { RATE_LIMIT_ANONYMOUS: '10/3600' } })
    const left = async (from: string, headers: Record<string, string>) => {
      const answer = await send(open.anybody.urlOf('listModes'), { from, headers })
      return limitsOf(answer.headers)['anonymous']!.remaining
    }
    const claims = ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'CF-Connecting-IP']
    for (const [i, name] of claims.entries()) {
      expect(await left('127.0.0.9', { [name]: `203.0.113.${i}` })).toBe(9 - i)
    }
    expect(await left('127.0.0.10', {})).toBe(9)
    await open.close()
  })

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:c000:0201', '192.0.2.1'],
    ['unknown', 'unknown'],
  ])('of %s counts as %s', (address, subject) => {
    expect(addressSubject(address)).toBe(subject)
  })
})
