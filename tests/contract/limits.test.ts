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
  fromNewAddress,
  limitsOf,
  newAddress,
  server,
} from './limits.given.ts'

async function callFiftyTimes<T extends { status: number }>(call: (i: number) => Promise<T>) {
  const responses = await Promise.all(Array.from({ length: 50 }, (_, i) => call(i)))
  return {
    accepted: responses.filter(({ status }) => status < 400),
    refused: responses.filter(({ status }) => status === 429),
  }
}

describe('fifty concurrent calls', () => {
  test('exhaust exactly the anonymous limit of their address', async () => {
    const headers = fromNewAddress()

    const { accepted, refused } = await callFiftyTimes(() =>
      server.anonymous.call('listModes', { headers }),
    )

    expect([accepted.length, refused.length]).toEqual([ANONYMOUS, 50 - ANONYMOUS])

    const remaining = accepted.map(({ headers }) => limitsOf(headers)['anonymous']!.remaining)
    expect(remaining.sort((a, b) => a - b)).toEqual(Array.from({ length: ANONYMOUS }, (_, i) => i))
    for (const response of refused) expectRefusal(response, 'anonymous')

    await server.anonymous.expect(200, 'listModes', { headers: fromNewAddress() })
  })

  test('exhaust exactly the user limit of their principal, from any address', async () => {
    const alice = await server.createUser()

    const { accepted, refused } = await callFiftyTimes(() =>
      alice.call('getProfile', { headers: fromNewAddress() }),
    )

    expect([accepted.length, refused.length]).toEqual([USER, 50 - USER])
    for (const response of refused) expectRefusal(response, 'user')
  })

  test('exhaust exactly the chat limit, and refused calls do not count against the user limit', async () => {
    const alice = await server.createUser()

    const { accepted, refused } = await callFiftyTimes((i) =>
      alice.call('sendMessage', { body: { message: `Message ${i}` } }),
    )

    expect([accepted.length, refused.length]).toEqual([CHAT, 50 - CHAT])
    for (const response of refused) expectRefusal(response, 'chat')

    const { body, headers } = await alice.expect(200, 'listConversations')
    expect(body.data).toHaveLength(CHAT)
    expect(limitsOf(headers)['user']!.remaining).toBe(USER - CHAT - 1)
  })
})

test('MemoryLimiter takes nothing from any limit when one of several concurrent takes is refused', async () => {
  const limiter = new MemoryLimiter(systemClock)
  const counters = [
    { name: 'user', subject: 'alice', quota: USER, windowSeconds: 600 },
    { name: 'chat', subject: 'alice', quota: CHAT, windowSeconds: 60 },
  ]

  const takes = await Promise.all(Array.from({ length: 20 }, () => limiter.take(counters)))
  const accepted = takes.filter((tallies) => tallies.every(({ spent }) => !spent))

  expect(accepted).toHaveLength(CHAT)

  const remaining = (await limiter.peek(counters)).map((tally) => tally.remaining)
  expect(remaining).toEqual([USER - CHAT, 0])
})

describe('a call with two limits', () => {
  test('counts against neither if one is exceeded', async () => {
    const alice = await server.createUser()
    const chat = () => alice.call('sendMessage', { body: { message: 'Hello!' } })
    for (let i = 0; i < CHAT; i += 1) await chat()
    for (let i = 0; i < 3; i += 1) {
      const response = await chat()
      expectRefusal(response, 'chat')
      expect(limitsOf(response.headers)['user']!.remaining).toBe(USER - CHAT)
    }

    const { headers } = await alice.expect(200, 'getProfile')

    expect(limitsOf(headers)['user']!.remaining).toBe(USER - CHAT - 1)
  })

  test('names both when both are exceeded, with the later reset in Retry-After', async () => {
    const alice = await server.createUser()
    const chat = () => alice.call('sendMessage', { body: { message: 'Hello!' } })
    for (let i = 0; i < CHAT; i += 1) await chat()
    for (let i = 0; i < USER - CHAT; i += 1) await alice.expect(200, 'getProfile')

    const { headers, body } = await chat()

    expect((body as Problem).violatedPolicies).toEqual(['user', 'chat'])
    expect(Number(headers['retry-after'])).toBe(limitsOf(headers)['user']!.resetsInSeconds)
  })
})

describe('the anonymous limit of an address', () => {
  test('refuses every call without a valid credential, to unknown paths, too', async () => {
    const headers = fromNewAddress()
    for (let i = 0; i < ANONYMOUS; i += 1) await send(`${server.url}/nonsense`, { headers })
    for (const path of ['/api/v1/status', '/api/v1/users/profile', '/nonsense', '/chat', '/%zz']) {
      const response = await send(server.url + path, { headers })
      expect([path, response.status]).toEqual([path, 429])
    }

    const response = await send(`${server.url}/api/v1/conversations/%zz`, { headers })

    expect(response.status).toBe(429)
  })

  test('does not refuse a caller with a valid credential at the same address', async () => {
    const alice = await server.createUser()
    const headers = fromNewAddress()

    for (let i = 0; i < ANONYMOUS + 1; i += 1) await send(`${server.url}/nonsense`, { headers })

    await alice.expect(200, 'getProfile', { headers })
  })
})

describe('the address of a caller', () => {
  test('is the last one that a trusted proxy names, by /64 network for IPv6', async () => {
    const address = newAddress()

    const remainingFor = async (forwarded: string) => {
      const headers = { 'X-Forwarded-For': forwarded }
      const response = await server.anonymous.expect(200, 'listModes', { headers })
      return limitsOf(response.headers)['anonymous']!.remaining
    }

    expect(await remainingFor(address)).toBe(ANONYMOUS - 1)
    expect(await remainingFor(`203.0.113.9, ${address}`)).toBe(ANONYMOUS - 2)
    expect(await remainingFor(`::ffff:${address}`)).toBe(ANONYMOUS - 3)
    expect(await remainingFor('2001:db8:1:2::1')).toBe(ANONYMOUS - 1)
    expect(await remainingFor('2001:db8:1:2:ffff::2')).toBe(ANONYMOUS - 2)
    expect(await remainingFor('2001:db8:1:3::1')).toBe(ANONYMOUS - 1)
  })

  test('is that of the connection without a trusted proxy, and forwarding headers are ignored', async () => {
    const unproxied = await startServer({ env: { RATE_LIMIT_ANONYMOUS: '10/3600' } })
    const remainingFor = async (from: string, headers: Record<string, string>) => {
      const response = await send(unproxied.anonymous.urlOf('listModes'), { from, headers })
      return limitsOf(response.headers)['anonymous']!.remaining
    }
    const forwardingHeaders = ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'CF-Connecting-IP']

    for (const [i, name] of forwardingHeaders.entries()) {
      expect(await remainingFor('127.0.0.9', { [name]: `203.0.113.${i}` })).toBe(9 - i)
    }

    expect(await remainingFor('127.0.0.10', {})).toBe(9)

    await unproxied.close()
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
  ])('%s is counted as %s', (address, subject) => {
    expect(addressSubject(address)).toBe(subject)
  })
})
