import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

describe('the limits of a single user', () => {
  let server: TestServer
  let admin: Client
  beforeAll(async () => {
    const env = { RATE_LIMIT_USER: '50/3600', RATE_LIMIT_CHAT: '20/60' }
    server = await startServer({ env })
    admin = await server.admin()
  })
  afterAll(() => server.close())

  async function createUser() {
    const user = await server.createUser()
    return { user, path: { userId: (await user.expect(200, 'getProfile')).body.id } }
  }

  /** Returns the policies and what remains of them, without the times. */
  const limitsIn = ({ headers }: { headers: Record<string, string> }) => [
    headers['ratelimit-policy'],
    headers['ratelimit']!.replaceAll(/;t=\d+/g, ''),
  ]

  test('apply from the next call on, keep what was counted, and can be removed', async () => {
    const { user, path } = await createUser()
    const currentLimits = async () => limitsIn(await user.expect(200, 'getProfile'))
    const change = (limits: object) => admin.expect(200, 'changeUser', { path, body: { limits } })

    expect(await currentLimits()).toEqual(['"user";q=50;w=3600', '"user";r=48'])

    await change({ hourly: 5 })
    expect(await currentLimits()).toEqual(['"user";q=5;w=3600', '"user";r=2'])

    await change({})
    expect(await currentLimits()).toEqual(['"user";q=50;w=3600', '"user";r=46'])

    await change({ hourly: 4 })
    const refusal = await user.refused('quota-exceeded', 'getProfile')
    expect(refusal.body.violatedPolicies).toEqual(['user'])
    expect(limitsIn(refusal)).toEqual(['"user";q=4;w=3600', '"user";r=0'])

    await change({ hourly: 100 })
    expect(await currentLimits()).toEqual(['"user";q=100;w=3600', '"user";r=95'])
  })

  test('bound the chat messages in a minute, and are shown in the usage', async () => {
    const { user, path } = await createUser()
    const chat = () => user.call('sendMessage', { body: { message: 'Hi' } })
    expect((await chat()).status).toBe(200)
    const body = { limits: { chatPerMinute: 2 } }
    await admin.expect(200, 'changeUser', { path, body })

    const second = await chat()
    expect(limitsIn(second)[0]).toBe('"user";q=50;w=3600, "chat";q=2;w=60')
    expect((await chat()).status).toBe(429)
    const { limits } = (await user.expect(200, 'getUsage')).body
    expect(limits.find(({ policy }) => policy === 'chat')).toMatchObject({ quota: 2, remaining: 0 })
  })

  test('do not apply to another user', async () => {
    const { path } = await createUser()
    const bob = await server.createUser()

    await admin.expect(200, 'changeUser', { path, body: { limits: { hourly: 3 } } })

    expect(limitsIn(await bob.expect(200, 'getProfile'))[0]).toBe('"user";q=50;w=3600')
  })
})
