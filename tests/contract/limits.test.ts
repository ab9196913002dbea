import { describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { addressSubject } from '../../src/domain/limits/limit-subjects.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { MemoryLimiter } from '../../src/ports/limiter/memory.ts'
import { startServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'
import {
  ANONYMOUS,
  CHAT,
  USER,
  expectRefusal,
  fromElsewhere,
  limitsOf,
  newAddress,
  server,
} from './limits.given.ts'

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
      server.anonymous.call('listModes', { headers }),
    )
    expect([taken.length, refused.length]).toEqual([ANONYMOUS, 50 - ANONYMOUS])

    const left = taken.map((answer) => limitsOf(answer.headers)['anonymous']!.remaining)
    expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: ANONYMOUS }, (_, i) => i))
    for (const answer of refused) expectRefusal(answer, 'anonymous')

    await server.anonymous.expect(200, 'listModes', { headers: fromElsewhere() })
  })

  test('get exactly as many through as user allows a principal, from wherever they come', async () => {
    const alice = await server.createUser()

    const { taken, refused } = await fiftyAtOnce(() =>
      alice.call('getProfile', { headers: fromElsewhere() }),
    )

    expect([taken.length, refused.length]).toEqual([USER, 50 - USER])
    for (const answer of refused) expectRefusal(answer, 'user')
  })

  test('get exactly as many answers as chat allows, and those that are refused cost nothing', async () => {
    const alice = await server.createUser()
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
    const alice = await server.createUser()
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
    const alice = await server.createUser()
    const say = () => alice.call('sendMessage', { body: { message: 'Hello!' } })
    for (let i = 0; i < CHAT; i += 1) await say()
    for (let i = 0; i < USER - CHAT; i += 1) await alice.expect(200, 'getProfile')

    const { headers, body } = await say()

    expect((body as Problem).violatedPolicies).toEqual(['user', 'chat'])
    expect(Number(headers['retry-after'])).toBe(limitsOf(headers)['user']!.resetsInSeconds)
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
    const alice = await server.createUser()
    const headers = fromElsewhere()
    for (let i = 0; i < ANONYMOUS + 1; i += 1) await send(`${server.url}/nonsense`, { headers })
    await alice.expect(200, 'getProfile', { headers })
  })
})

describe('the address that counts', () => {
  test('is the last one that a trusted proxy names', async () => {
    const address = newAddress()

    const left = async (forwarded: string) => {
      const headers = { 'X-Forwarded-For': forwarded }
      const answer = await server.anonymous.expect(200, 'listModes', { headers })
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
      const answer = await send(open.anonymous.urlOf('listModes'), { from, headers })
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
