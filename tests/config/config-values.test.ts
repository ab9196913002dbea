import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NAMES, config, mistakesIn } from './config.given.ts'

const SECRET = 'a secret of more than thirty-two bytes'

const mistakesOf = (env: Record<string, string>) => mistakesIn(() => config(env))

describe('the mistakes of a configuration', () => {
  test('are all reported together', () => {
    const mistakes = mistakesOf({
      PORT: 'http',
      REGISTRATION: 'maybe',
      TRUST_PROXY: 'true',
      TLS_CERT_FILE: 'cert.pem',
      RATE_LIMIT_CHAT: 'lots',
      RATE_LIMIT_CHATS: '1/2',
    })

    expect(mistakes).toHaveLength(6)
  })

  test.each(NAMES)('name %s and its valid values when its value is invalid', (name) => {
    // No variable accepts a control character, so this covers new variables too.
    const mistakes = mistakesOf({ [name]: '\u0007' })

    const [mistake = ''] = mistakes.filter((text) => text.startsWith(`${name} must be `))
    expect(mistake.slice(`${name} must be `.length)).toMatch(/^[ -~]{4,}\.$/)
    expect(mistake).not.toContain('undefined')
    // Other mistakes name a variable that it requires.
    const others = mistakes.filter((text) => text !== mistake)
    for (const other of others) expect(other).toContain(name)
  })

  test('never quote a value, for any variable', () => {
    const junk = fc.string({ minLength: 12 }).map((text) => `§${text}`)

    fc.assert(
      fc.property(fc.constantFrom(...NAMES), junk, (name, text) => {
        expect(mistakesOf({ [name]: text }).join('\n')).not.toContain(text)
      }),
    )
    expect(mistakesOf({ SERVER_SECRET: 'short-secret' }).join()).not.toContain('short-secret')
    expect(mistakesOf({ DATABASE_URL: 'mysql://u:pw@h' }).join()).not.toContain('pw')
  })

  test('include a misspelt variable of Parley, with the name that was meant', () => {
    expect(mistakesOf({ RATE_LIMIT_SIGNIN_ACCOUNT: '5/900' })).toEqual([
      'RATE_LIMIT_SIGNIN_ACCOUNT is not a variable of Parley: did you mean RATE_LIMIT_SIGN_IN_ACCOUNT?',
    ])
    expect(mistakesOf({ ACCESS_TOKEN_TTL_SECOND: '5' }).join()).toContain(
      'ACCESS_TOKEN_TTL_SECONDS',
    )
    expect(mistakesOf({ SIGNING_KEY_FILE: 'x' }).join()).toContain('SIGNING_KEYS_FILE')
    expect(mistakesOf({ CHAT_UPSTREAM_COLOUR_OF_THE_SKY: 'blue' })).toEqual([
      'CHAT_UPSTREAM_COLOUR_OF_THE_SKY is not a variable of Parley: remove it.',
    ])
  })

  test('do not include the variables of other programs', () => {
    expect(
      mistakesOf({ PATH: '/bin', HOSTNAME: 'x', LOG_FORMAT: 'x', TLS_SERVICE_HOST: 'x' }),
    ).toEqual([])
  })

  test('require keys and a secret with DATABASE_URL, and say how to create them', () => {
    const DATABASE_URL = 'postgresql://localhost/parley'
    const mistakes = mistakesOf({ DATABASE_URL })

    expect(mistakes).toHaveLength(2)
    for (const mistake of mistakes) expect(mistake).toContain('npm run secrets')
    expect(
      mistakesOf({ DATABASE_URL, SIGNING_KEYS_FILE: 'keys.json', SERVER_SECRET: SECRET }),
    ).toEqual([])
  })

  test.each([
    [{ TLS_CERT_FILE: 'c.pem' }, 'TLS_KEY_FILE must be set with TLS_CERT_FILE.'],
    [{ TLS_KEY_FILE: 'k.pem' }, 'TLS_CERT_FILE must be set with TLS_KEY_FILE.'],
    [{ ADMIN_EMAIL: 'a@example.com' }, 'ADMIN_PASSWORD must be set with ADMIN_EMAIL.'],
    [{ ADMIN_PASSWORD: 'long enough' }, 'ADMIN_EMAIL must be set with ADMIN_PASSWORD.'],
    [
      { CHAT_UPSTREAM_KEY: 'k' },
      'CHAT_UPSTREAM_KEY has no effect without CHAT_UPSTREAM_URL: set that too, or leave CHAT_UPSTREAM_KEY out.',
    ],
    [{ METRICS_PORT: '3000' }, 'METRICS_PORT must be different from PORT.'],
  ])('require variables that depend on each other: %o', (env, mistake) => {
    expect(mistakesOf(env as Record<string, string>)).toEqual([mistake])
  })
})

describe('the value of a variable', () => {
  test.each([
    ['CHAT_UPSTREAM_SAMPLING', ['mode', 'none']],
    ['CHAT_UPSTREAM_MAX_TOKENS_PARAMETER', ['max_tokens', 'max_completion_tokens', 'none']],
    ['CHAT_UPSTREAM_SYSTEM_ROLE', ['system', 'developer', 'user']],
    ['CHAT_UPSTREAM_STREAM_USAGE', ['on', 'off']],
  ])('%s must be one of %j, and the mistake names them', (name, words) => {
    for (const word of words) expect(mistakesOf({ [name]: word })).toEqual([])

    for (const wrong of ['true', words[0]!.toUpperCase(), `${words[0]!} `]) {
      const [mistake, ...more] = mistakesOf({ [name]: wrong })
      expect(more).toEqual([])
      expect([name, ...words].filter((word) => !mistake!.includes(word))).toEqual([])
    }
  })

  test.each<[string, string[], string[]]>([
    ['PORT', ['0', '1', '65535'], ['-1', '65536', '3e3', '0x10', '1.5', ' 80', '٣']],
    ['HOST', ['::', '127.0.0.1', 'localhost'], ['http://localhost', 'a b', '/tmp/socket']],
    [
      'TRUST_PROXY',
      ['0', '2', '10.0.0.0/8, fc00::/7', '127.0.0.1'],
      [
        'true',
        'loopback',
        '0.0.0.0/0',
        '::/0',
        '10.0.0.0/33',
        '10.0.0.0/8,',
        '11',
        '10.0.0.0/255.0.0.0',
      ],
    ],
    [
      'CORS_ORIGINS',
      ['https://a.example,http://localhost:5173', 'http://[::1]:80' + '80'],
      [
        '*',
        'https://*.example',
        'null',
        'https://a.example/',
        'https://a.example/app',
        'https://A.example',
        'https://a.example:443',
        'https://u@a.example',
        'ftp://a.example',
        'a.example',
      ],
    ],
    [
      'SECURITY_CONTACT',
      ['mailto:s@a.example', 'https://a.example/report, mailto:s@a.example'],
      ['s@a.example', 'mailto:', 'http://a.example', 'https://a.example\nContact: x', 'none'],
    ],
    ['RATE_LIMIT_CHAT', ['10/60', '1/1'], ['10', '0/60', '10/0', '10/60s', '-1/60', '1/9999999']],
    ['SERVER_SECRET', ['x'.repeat(32), 'é'.repeat(16)], ['x'.repeat(31)]],
    ['REDIS_URL', ['redis://h', 'rediss://u:p@h:1/2'], ['http://h', 'h:6379', 'redis://h?x=1']],
    ['DATA_DIR', ['./data', '/var/lib/with space'], ['a\nb']],
    ['METRICS_PORT', ['0', '9464'], ['tcp://10.0.0.7:9464', '65536', 'on']],
    ['METRICS_HOST', ['0.0.0.0', '::1'], ['http://h', 'a b']],
    ['REGISTRATION', ['open', 'closed'], ['true', 'Open']],
    ['CHAT_UPSTREAM_TIMEOUT_SECONDS', ['1', '600'], ['0', '601', '60s']],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', ['http://localhost:4318'], ['localhost:4318', 'grpc://h']],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', ['http://h/v1/traces'], ['h/v1/traces']],
    [
      'CHAT_UPSTREAM_URL',
      ['https://api.example/v1'],
      ['api.example', 'https://u:p@api.example', 'https://api.example?key=1', 'file:///etc'],
    ],
    ['ACCESS_TOKEN_TTL_SECONDS', ['1', '86400'], ['0', '86401']],
    ['REFRESH_TOKEN_TTL_SECONDS', ['1', '2592000'], ['0', '2592001']],
    ['BCRYPT_COST', ['4', '16'], ['3', '17', '31']],
    ['REQUIRE_HTTPS', ['true', 'false'], ['yes', '1', 'TRUE']],
    ['LOG_LEVEL', ['debug', 'silent'], ['verbose', 'INFO']],
    ['SHUTDOWN_GRACE_SECONDS', ['0', '3600'], ['3601', '-1']],
    ['MAX_OPEN_STREAMS', ['1'], ['0']],
  ])('%s accepts its valid values and no others', (name, valid, invalid) => {
    for (const text of valid) expect(mistakesOf({ [name]: text }), text).toEqual([])
    for (const text of invalid) expect(mistakesOf({ [name]: text }), text).toHaveLength(1)
  })

  test('is parsed into what it means', () => {
    const { server, limits, identity, engine } = config({
      TRUST_PROXY: '10.0.0.0/8, ::1',
      TLS_CERT_FILE: 'c.pem',
      TLS_KEY_FILE: 'k.pem',
      RATE_LIMIT_SIGN_IN_ACCOUNT: '7/90',
      ADMIN_EMAIL: ' Root@Example.COM',
      ADMIN_PASSWORD: '  spaces count  ',
      CHAT_UPSTREAM_URL: 'https://api.example/v1/',
    })

    expect(server.trustProxy).toEqual(['10.0.0.0/8', '::1'])
    expect(server.tls).toEqual({ certFile: 'c.pem', keyFile: 'k.pem' })
    expect(limits.overrides).toEqual({ 'sign-in-account': { quota: 7, windowSeconds: 90 } })
    expect(identity.adminEmail).toBe('root@example.com')
    expect(identity.adminPassword).toBe('  spaces count  ')
    expect(engine.url).toBe('https://api.example/v1')
  })
})
