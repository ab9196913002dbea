import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config/config.ts'
import type { AdminAccess } from '../../src/domain/identity/first-admin.ts'
import { introduction, welcome } from '../../src/assembly/welcome.ts'

const FIRST_ADMIN = {
  kind: 'made' as const,
  email: "o'neil@example.com",
  password: 'made-at-the-start',
  isPasswordMade: true,
}

type Case = { env?: Record<string, string>; access?: AdminAccess }

function welcomeWith({ env = {}, access = { kind: 'known' } }: Case) {
  return welcome(readConfig(env, []), { api: 4711, metrics: 4712 }, access)
}

/** Runs the command line of the text with a `curl` that always logs in, and returns the arguments of `curl`. */
async function runCommandLine(text: string): Promise<string[]> {
  const line = text.split('\n').find((candidate) => candidate.includes('curl -N'))!
  const curl = `curl() { printf '%s\\n' "$@" >&2; echo '{"accessToken":"the-token"}'; }`
  const { stderr } = await promisify(execFile)('sh', ['-c', `${curl}\n${line}`])
  return stderr.trim().split('\n')
}

describe('the message after the start', () => {
  test('names the addresses of the server, its docs and metrics, and the engine', () => {
    const text = welcomeWith({ env: { METRICS_PORT: '9464' } })

    expect(text).toContain('Parley listens on  http://localhost:4711\n')
    expect(text).toContain('http://localhost:4711/docs\n')
    expect(text).toContain('http://localhost:4711/docs/console\n')
    expect(text).toMatch(/Engine +built in/)
    expect(text).toMatch(/Metrics +http:\/\/127\.0\.0\.1:4712\/metrics\n/)
  })

  test('names an upstream without its address or key', () => {
    const env = { CHAT_UPSTREAM_URL: 'http://inside.example:8080/v1', CHAT_UPSTREAM_KEY: 'sk-key' }
    const text = welcomeWith({ env: { ...env, CHAT_UPSTREAM_MODEL: 'a-model' } })

    expect(text).toMatch(/Engine +an OpenAI-compatible server/)
    expect(text).not.toContain('inside.example')
    expect(text).not.toContain('sk-key')
  })

  test.each([
    ['0.0.0.0', 'http://localhost:4711'],
    ['::', 'http://localhost:4711'],
    ['::1', 'http://[::1]:4711'],
    ['192.0.2.7', 'http://192.0.2.7:4711'],
  ])('for HOST %s has the address %s', (host, address) => {
    expect(welcomeWith({ env: { HOST: host } })).toContain(`listens on  ${address}\n`)
  })

  test('shows a generated password, but not one that the operator set', () => {
    const given = { ...FIRST_ADMIN, password: 'given by the operator', isPasswordMade: false }

    const text = welcomeWith({ access: given })

    expect(introduction(FIRST_ADMIN)).toContain(FIRST_ADMIN.password)
    expect(welcomeWith({ access: FIRST_ADMIN })).toContain('with the password above')
    expect(text).toContain(`Log in as ${FIRST_ADMIN.email}`)
    expect(text).not.toContain(given.password)
    expect(welcomeWith({})).toContain('with an existing account')
  })

  test.each([
    ['not-an-admin', /ADMIN_EMAIL does not name an administrator/],
    ['disabled', /names a disabled administrator/],
    ['wrong-password', /ADMIN_PASSWORD is not the password/],
    ['no-admin-at-all', /There is no administrator/],
  ] as const)('warns that ADMIN_EMAIL and ADMIN_PASSWORD do not match: %s', (reason, sentence) => {
    expect(welcomeWith({ access: { kind: 'unfitting', reason } })).toMatch(sentence)
  })

  test('has a command line that logs in and streams, also for an email with an apostrophe', async () => {
    const { email, password } = FIRST_ADMIN

    const args = await runCommandLine(welcomeWith({ access: FIRST_ADMIN }))

    expect(args).toContain(JSON.stringify({ email, password }))
    expect(args).toContain('http://localhost:4711/api/v1/auth/login')
    expect(args).toContain('Authorization: Bearer the-token')
    expect(args).toContain('http://localhost:4711/api/v1/chat/stream')
  })
})
