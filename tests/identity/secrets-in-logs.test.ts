import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { send, sendBytes, type WireRequest } from '../support/wire/wire.ts'
import { Secrets } from './secrets-in-logs.given.ts'

const LONGEST_LINE = 8_192

test('the search finds a secret in whatever way it was written', () => {
  const secrets = new Secrets()
  const secret = secrets.keep('a password', 'a "fine" password of 20')
  const written = [
    `{"password":${JSON.stringify(secret)}}`,
    `/login?password=${encodeURIComponent(secret)}`,
    `Basic ${Buffer.from(secret).toString('base64')}`,
    Buffer.from(secret).toString('hex'),
  ]

  for (const text of written) expect(secrets.foundIn(text)).toHaveLength(1)
  expect(secrets.foundIn('{"level":"info"}')).toEqual([])
})

describe('a whole life in the real program, at the finest log level', () => {
  const secrets = new Secrets()
  let workplace: Workplace
  beforeAll(async () => {
    workplace = await openWorkplace()
  })
  afterAll(() => workplace.close())

  const newPassword = (what: string) => secrets.keep(what, `${what} ${randomUUID()}`)
  const json = (body: string): WireRequest => ({
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  })

  test('leaves no password, no token and no body in its logs or on its terminal', async () => {
    const adminPassword = newPassword('the password of the admin')
    const program = await workplace.start({
      LOG_LEVEL: 'trace',
      REGISTRATION: 'open',
      ADMIN_PASSWORD: adminPassword,
      // Nobody listens there: the engine fails, and says so in the log.
      CHAT_UPSTREAM_URL: 'http://127.0.0.1:1/v1',
      CHAT_UPSTREAM_KEY: secrets.keep('the key of the upstream', `sk-${randomUUID()}`),
    })
    const { url } = program
    const anybody = createClient(url)
    const email = secrets.keep('an email', `kate.${randomUUID()}@example.com`)
    const password = newPassword('the password')
    const logIn = async (body: { email: string; password: string }) => {
      const reply = await anybody.expect(200, 'logIn', { body })
      secrets.keepTokens(reply.body)
      return createClient(url, { ...reply.body, ...body })
    }
    const refresh = async (refreshToken: string) => {
      const { body } = await anybody.expect(200, 'refreshTokens', { body: { refreshToken } })
      secrets.keepTokens(body)
      return body
    }

    // Registering and logging in, right and wrong.
    const displayName = secrets.keep('a name', `Kate ${randomUUID()}`)
    await anybody.expect(201, 'register', { body: { email, password, displayName } })
    await anybody.refused('email-taken', 'register', { body: { email, password, displayName } })
    const kate = await logIn({ email, password })
    await logIn({ email: 'admin@example.com', password: adminPassword })
    const guess = newPassword('a wrong password')
    await anybody.refused('invalid-credentials', 'logIn', { body: { email, password: guess } })
    // People type it into the wrong field.
    await anybody.refused('invalid-request', 'logIn', { body: { email: password, password } })

    // Refreshing, and the theft of a token.
    const first = await logIn({ email, password })
    const second = await refresh(first.identity.refreshToken)
    await refresh(second.refreshToken)
    const stolen = { body: { refreshToken: first.identity.refreshToken } }
    await anybody.refused('refresh-token-reused', 'refreshTokens', stolen)
    await anybody.refused('token-invalid', 'refreshTokens', stolen)
    await first.refused('token-invalid', 'getProfile')

    // Changing the password.
    const changed = newPassword('the new password')
    const change = (currentPassword: string, wanted: string) => ({
      body: { currentPassword, newPassword: wanted },
    })
    await kate.refused('invalid-credentials', 'changePassword', change(guess, changed))
    await kate.refused('weak-password', 'changePassword', change(password, 'Football1'))
    await kate.expect(204, 'changePassword', change(password, changed))
    const again = await logIn({ email, password: changed })

    // Chat: what is said is in a body as well, and the engine fails.
    const message = newPassword('what was said')
    await again.refused('upstream-failed', 'sendMessage', { body: { message } })
    await (await openStream(again, { message })).rest()

    // Bodies that do not fit, each with a password inside.
    const login = anybody.urlOf('logIn')
    const right = JSON.stringify({ email, password })
    const bodies = [
      right.slice(0, -1),
      right.slice(0, -3),
      `${right}x`,
      right.replaceAll('"', "'"),
      JSON.stringify({ email, password: [password] }),
      JSON.stringify({ email, password, [password]: password }),
      JSON.stringify({ email, password, remember: password }),
      JSON.stringify([email, password]),
      JSON.stringify(password),
      `{"email":"${email}","password":"${password}","password":"${password}"}`,
      `{"email":"${email}","password":"${password}\\u0000"}`,
      right + ' '.repeat(300_000),
    ]
    for (const body of bodies) {
      const { status } = await send(login, json(body))
      expect([400, 413]).toContain(status)
    }
    const form = `email=${email}&password=${encodeURIComponent(password)}`
    const typed = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await send(login, { method: 'POST', headers: typed, body: form })).status).toBe(415)
    await breakOff(url, right)

    // Secrets in addresses.
    const { accessToken, refreshToken } = again.identity
    const written = encodeURIComponent(password)
    const addresses = [
      `/api/v1/auth/login?email=${email}&password=${written}`,
      `/api/v1/users/profile?access_token=${accessToken}`,
      `/api/v1/conversations/${accessToken}`,
      `/api/v1/conversations/${refreshToken}?q=${refreshToken}`,
      `/api/v1/chat/generations/${written}`,
      `/api/v1/auth/refresh/${refreshToken}`,
      `/api/v1/${accessToken}/%zz`,
      `/chat?access_token=${accessToken}`,
      `/docs/${accessToken}`,
      `/${refreshToken}`,
      `/%ff${refreshToken}`,
      `//${accessToken}`,
    ]
    for (const address of addresses) {
      for (const headers of [{}, again.credentials]) await send(url + address, { headers })
      await send(url + address, { ...json(right), method: 'POST' })
    }

    // Secrets in headers, where they belong and where they do not.
    const profile = anybody.urlOf('getProfile')
    const taken = JSON.stringify({ email, password, displayName })
    const basic = Buffer.from(`${email}:${changed}`).toString('base64')
    const headers: Record<string, string>[] = [
      { Authorization: `Bearer ${accessToken}x` },
      { Authorization: `Bearer ${refreshToken}` },
      { Authorization: `Basic ${secrets.keep('basic credentials', basic)}` },
      { Authorization: accessToken },
      { Cookie: `session=${refreshToken}` },
      { 'X-API-Key': refreshToken },
      { Referer: `https://app.example.com/?token=${accessToken}` },
      { 'User-Agent': `curl/8 ${accessToken}` },
      { 'X-Request-Id': accessToken },
      { 'X-Request-Id': `${changed} ` },
      { 'X-Forwarded-For': refreshToken },
      { Forwarded: `for=${refreshToken}` },
      { Origin: `https://${accessToken}` },
      { 'Accept-Language': accessToken },
      { 'If-None-Match': `"${accessToken}"` },
      { Accept: `text/${refreshToken}` },
      { 'Content-Type': `text/${refreshToken}` },
    ]
    for (const one of headers) {
      await send(profile, { headers: one })
      await send(profile, { headers: { ...again.credentials, ...one } })
      // Not where failures are slowed down: there are too many of them here.
      const odd = { 'Content-Type': 'application/json', ...one }
      await send(anybody.urlOf('register'), { ...json(taken), headers: odd })
    }

    // What Node's parser refuses.
    const long = `Authorization: Bearer ${accessToken}${'x'.repeat(20_000)}`
    const refused = [
      `GET /api/v1/users/profile HTTP/1.1\r\nHost: x\r\n${long}\r\n\r\n`,
      `GET /${refreshToken}${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /${refreshToken} HTTP/9.9\r\nHost: x\r\n\r\n`,
      `${accessToken} / HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${accessToken}\u0000\r\n\r\n`,
      `GET / HTTP/1.1\r\nAuthorization: Bearer ${accessToken}\r\n\r\n`,
      right,
    ]
    for (const bytes of refused) {
      expect((await sendBytes(url, bytes)).status).toBeGreaterThanOrEqual(400)
    }

    // Logging out, and what follows.
    await again.expect(204, 'logOut', { body: { scope: 'all' } })
    await again.refused('token-invalid', 'logOut', { body: { scope: 'all' } })
    const last = await send(profile, { headers: { 'X-Request-Id': 'the-last-of-all' } })
    expect(last.status).toBe(401)
    await until(() => program.stdout().includes('the-last-of-all'))
    program.signal('SIGTERM')
    expect(await program.exited).toEqual({ code: 0, signal: null })

    for (const file of ['server-secret', 'signing-keys.json']) {
      await keepFile(join(workplace.directory, file))
    }
    const lines = program.stdout().trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(100)
    const operations = lines.map((line) => (JSON.parse(line) as Line).operationId)
    const seen = ['register', 'logIn', 'refreshTokens', 'changePassword', 'sendMessage', 'logOut']
    expect(operations).toEqual(expect.arrayContaining(seen))
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(LONGEST_LINE)
    expect(secrets.foundIn(program.stdout())).toEqual([])
    expect(secrets.foundIn(program.stderr())).toEqual([])
  }, 120_000)

  /** The secrets that the program made for itself. */
  async function keepFile(path: string): Promise<void> {
    const text = await readFile(path, 'utf8')
    const values = path.endsWith('.json') ? [...text.matchAll(/"d": "([^"]+)"/g)] : [['', text]]
    expect(values).toHaveLength(1)
    for (const [, value] of values) secrets.keep(path, value!.trim())
  }
})

type Line = { operationId?: string; msg: string }

/** Promises a body, sends the beginning of it, and hangs up. */
async function breakOff(url: string, body: string): Promise<void> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  const head = [
    'POST /api/v1/auth/login HTTP/1.1',
    'Host: x',
    'Content-Type: application/json',
    `Content-Length: ${body.length + 10}`,
  ]
  await new Promise<void>((resolve) => {
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => resolve())
  })
  socket.destroy()
}
