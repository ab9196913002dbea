import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Client, createClient, type Tokens } from '../support/client.ts'
import { until } from '../support/clock/until.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { openStream } from '../support/wire/stream.ts'
import { send, sendBytes, type WireRequest } from '../support/wire/wire.ts'
import {
  headersWithSecrets,
  invalidBodies,
  pathsWithSecrets,
  sendIncompleteBody,
  unparsableRequests,
} from './secret-bearing-requests.ts'
import { Secrets } from './secrets.ts'

const LONGEST_LINE = 8_192
const LAST_REQUEST_ID = 'the-last-of-all'

describe('Secrets', () => {
  test('finds a secret in JSON, a query, base64 and hexadecimal', () => {
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
})

const json = (body: string): WireRequest => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body,
})

/** A user of the program, who keeps every secret that is sent or received. */
class TrackedUser {
  readonly email: string
  readonly displayName: string
  readonly password: string
  readonly #secrets: Secrets
  readonly #anonymous: Client

  constructor(secrets: Secrets, url: string) {
    this.#secrets = secrets
    this.#anonymous = createClient(url)
    this.email = secrets.keep('an email', `kate.${randomUUID()}@example.com`)
    this.displayName = secrets.keep('a name', `Kate ${randomUUID()}`)
    this.password = this.newSecret('the password')
  }

  newSecret(what: string): string {
    return this.#secrets.keep(what, `${what} ${randomUUID()}`)
  }

  async logIn(email = this.email, password = this.password): Promise<Client> {
    const body = { email, password }
    const reply = await this.#anonymous.expect(200, 'logIn', { body })
    this.#secrets.keepTokens(reply.body)
    return createClient(this.#anonymous.url, { ...reply.body, ...body })
  }

  async refresh(refreshToken: string): Promise<Tokens> {
    const { body } = await this.#anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })
    this.#secrets.keepTokens(body)
    return body
  }

  async register(): Promise<void> {
    const { email, password, displayName } = this
    const body = { email, password, displayName }
    await this.#anonymous.expect(201, 'register', { body })
    await this.#anonymous.refused('email-taken', 'register', { body })
  }

  /** Logs in with a wrong password, and with the password in the field of the email. */
  async failToLogIn(): Promise<void> {
    const { email, password } = this
    const guess = this.newSecret('a wrong password')
    await this.#anonymous.refused('invalid-credentials', 'logIn', {
      body: { email, password: guess },
    })
    await this.#anonymous.refused('invalid-request', 'logIn', {
      body: { email: password, password },
    })
  }

  async reuseRefreshToken(): Promise<void> {
    const first = await this.logIn()
    const second = await this.refresh(first.identity.refreshToken)
    await this.refresh(second.refreshToken)
    const stolen = { body: { refreshToken: first.identity.refreshToken } }
    await this.#anonymous.refused('refresh-token-reused', 'refreshTokens', stolen)
    await this.#anonymous.refused('token-invalid', 'refreshTokens', stolen)
    await first.refused('token-invalid', 'getProfile')
  }

  /** @returns the new password; `password` stays the old one */
  async changePassword(session: Client): Promise<string> {
    const newPassword = this.newSecret('the new password')
    const change = (currentPassword: string, wanted: string) => ({
      body: { currentPassword, newPassword: wanted },
    })
    const wrong = change(this.newSecret('another wrong password'), newPassword)
    await session.refused('invalid-credentials', 'changePassword', wrong)
    const weak = change(this.password, 'Football1')
    await session.refused('weak-password', 'changePassword', weak)
    await session.expect(204, 'changePassword', change(this.password, newPassword))
    return newPassword
  }
}

/** Sends secrets in bodies, paths, headers and unparsable requests. No login succeeds: `user` has the old password. */
async function sendSecrets(secrets: Secrets, session: Client, user: TrackedUser): Promise<void> {
  const { url } = session
  const { email, displayName, password } = user
  const login = session.urlOf('logIn')
  const credentials = JSON.stringify({ email, password })
  for (const body of invalidBodies(user)) {
    const { status } = await send(login, json(body))
    expect([400, 413]).toContain(status)
  }
  const form = `email=${email}&password=${encodeURIComponent(password)}`
  const formType = { 'Content-Type': 'application/x-www-form-urlencoded' }
  expect((await send(login, { method: 'POST', headers: formType, body: form })).status).toBe(415)
  await sendIncompleteBody(url, credentials)

  for (const path of pathsWithSecrets(user, session.identity)) {
    for (const headers of [{}, session.credentials]) await send(url + path, { headers })
    await send(url + path, json(credentials))
  }

  const registration = JSON.stringify({ email, password, displayName })
  const basic = Buffer.from(`${email}:${session.identity.password}`).toString('base64')
  secrets.keep('basic credentials', basic)
  for (const headers of headersWithSecrets(session.identity, basic)) {
    const profile = session.urlOf('getProfile')
    await send(profile, { headers })
    await send(profile, { headers: { ...session.credentials, ...headers } })
    // A registration, because so many failed logins would be delayed.
    const typed = { 'Content-Type': 'application/json', ...headers }
    await send(session.urlOf('register'), { ...json(registration), headers: typed })
  }

  for (const bytes of unparsableRequests(user, session.identity)) {
    expect((await sendBytes(url, bytes)).status).toBeGreaterThanOrEqual(400)
  }
}

/** Sends a message to an upstream that fails. */
async function chat(session: Client, message: string): Promise<void> {
  await session.refused('upstream-failed', 'sendMessage', { body: { message } })
  await (await openStream(session, { message })).rest()
}

async function logOut(session: Client, program: ParleyProcess): Promise<void> {
  await session.expect(204, 'logOut', { body: { scope: 'all' } })
  await session.refused('token-invalid', 'logOut', { body: { scope: 'all' } })
  const headers = { 'X-Request-Id': LAST_REQUEST_ID }
  expect((await send(session.urlOf('getProfile'), { headers })).status).toBe(401)
  await until(() => program.stdout().includes(LAST_REQUEST_ID))
}

describe('the program with LOG_LEVEL=trace', () => {
  const secrets = new Secrets()
  let workplace: Workplace
  beforeAll(async () => {
    workplace = await openWorkplace()
  })
  afterAll(() => workplace.close())

  /** Keeps the secrets that the program made for itself. */
  async function keepFile(path: string): Promise<void> {
    const text = await readFile(path, 'utf8')
    const values = path.endsWith('.json') ? [...text.matchAll(/"d": "([^"]+)"/g)] : [['', text]]
    expect(values).toHaveLength(1)
    for (const [, value] of values) secrets.keep(path, value!.trim())
  }

  test('writes no password, token or body to its logs or its terminal', async () => {
    const adminPassword = secrets.keep('the password of the admin', `admin ${randomUUID()}`)
    const program = await workplace.start({
      LOG_LEVEL: 'trace',
      REGISTRATION: 'open',
      ADMIN_PASSWORD: adminPassword,
      // Port 1 refuses connections, so the engine fails and logs its failure.
      CHAT_UPSTREAM_URL: 'http://127.0.0.1:1/v1',
      CHAT_UPSTREAM_KEY: secrets.keep('the key of the upstream', `sk-${randomUUID()}`),
    })
    const user = new TrackedUser(secrets, program.url)

    await user.register()
    const first = await user.logIn()
    await user.logIn('admin@example.com', adminPassword)
    await user.failToLogIn()
    await user.reuseRefreshToken()
    const newPassword = await user.changePassword(first)
    const session = await user.logIn(user.email, newPassword)
    await chat(session, user.newSecret('a message'))
    await sendSecrets(secrets, session, user)
    await logOut(session, program)
    program.signal('SIGTERM')
    expect(await program.exited).toEqual({ code: 0, signal: null })

    for (const file of ['server-secret', 'signing-keys.json']) {
      await keepFile(join(workplace.directory, file))
    }
    const lines = program.stdout().trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(100)
    const operations = lines.map((line) => (JSON.parse(line) as Line).operationId)
    const called = ['register', 'logIn', 'refreshTokens', 'changePassword', 'sendMessage', 'logOut']
    expect(operations).toEqual(expect.arrayContaining(called))
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(LONGEST_LINE)
    expect(secrets.foundIn(program.stdout())).toEqual([])
    expect(secrets.foundIn(program.stderr())).toEqual([])
  }, 120_000)
})

type Line = { operationId?: string; msg: string }
