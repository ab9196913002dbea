import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY_MS, JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

const CONTACTS = ['mailto:security@example.com', 'https://example.com/report']

const clock = new JumpingClock('2026-11-23T09:00:00.000Z')
let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { SECURITY_CONTACT: CONTACTS.join(', ') }, clock })
})
afterAll(() => server.close())

const get = (headers = {}) => fetch(`${server.url}/.well-known/security.txt`, { headers })

async function fields(): Promise<[string, string][]> {
  const lines = (await (await get()).text()).trimEnd().split('\n')
  return lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string])
}

describe('/.well-known/security.txt', () => {
  test('has the fields of RFC 9116, with the contacts in the order of preference', async () => {
    const response = await get()
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')

    const named = await fields()
    expect(named.map(([name]) => name)).toEqual([
      'Contact',
      'Contact',
      'Expires',
      'Preferred-Languages',
    ])
    expect(named.filter(([name]) => name === 'Contact').map(([, value]) => value)).toEqual(CONTACTS)

    const languages = Object.fromEntries(named)['Preferred-Languages']
    expect(languages).toBe('en, ko')
  })

  test('stays the same for a day and is renewed while the server runs', async () => {
    const etag = (await get()).headers.get('etag')!
    expect((await get({ 'If-None-Match': etag })).status).toBe(304)

    for (let day = 0; day < 3; day += 1) {
      const expires = new Date(Object.fromEntries(await fields())['Expires']!)
      const daysLeft = (expires.getTime() - clock.now().getTime()) / DAY_MS
      expect(daysLeft).toBeGreaterThan(30)
      expect(daysLeft).toBeLessThan(365)
      clock.jump(DAY_MS)
    }
    expect((await get({ 'If-None-Match': etag })).status).toBe(200)
  })

  test('does not exist without a configured contact', async () => {
    const withoutContact = await startServer()

    const response = await fetch(`${withoutContact.url}/.well-known/security.txt`)

    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: 'not-found' })

    await withoutContact.close()
  })
})
