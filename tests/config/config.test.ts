import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import {
  ConfigMistakes,
  loadConfig,
  loadMove,
  loadServerConfig,
  readConfig,
} from '../../src/config/config.ts'
import { rateLimitVariable, VARIABLES, type Variable } from '../../src/config/variables.ts'
import { NAMES, POLICIES, config } from './config.given.ts'

describe('the configuration', () => {
  test('has defaults for an empty environment', () => {
    expect(config()).toEqual({
      server: {
        port: 3000,
        host: '0.0.0.0',
        requireHttps: false,
        tls: undefined,
        trustProxy: 0,
        corsOrigins: [],
        securityContacts: [],
        metrics: undefined,
        shutdownGraceSeconds: 30,
      },
      store: { dataDir: './data', databaseUrl: undefined, redisUrl: undefined },
      engine: {
        url: undefined,
        key: undefined,
        model: undefined,
        shape: {
          sampling: 'mode',
          lengthParameter: 'max_tokens',
          systemRole: 'system',
          streamUsage: 'on',
        },
        timeoutSeconds: 60,
      },
      identity: {
        accessTokenTtlSeconds: 900,
        refreshTokenTtlSeconds: 604_800,
        bcryptCost: 11,
        registration: 'closed',
        adminEmail: undefined,
        adminPassword: undefined,
        signingKeysFile: undefined,
        serverSecret: undefined,
      },
      limits: { overrides: {}, maxOpenStreams: 5 },
      log: { level: 'info' },
    })
  })

  test('treats an empty variable as not set', () => {
    expect(config(Object.fromEntries(NAMES.map((name) => [name, ''])))).toEqual(config())
  })

  test('is frozen', () => {
    const frozen = config({ CORS_ORIGINS: 'https://a.example', RATE_LIMIT_CHAT: '1/2' })

    for (const part of [
      frozen,
      frozen.server,
      frozen.server.corsOrigins,
      frozen.limits.overrides.chat,
    ]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
  })
})

describe('.env.example', () => {
  test('lists every variable and every rate limit of the contract with its default', async () => {
    const contract = parse(await readFile('openapi/api.yaml', 'utf8')) as {
      'x-rate-limits': Record<string, { quota: number; windowSeconds: number }>
    }
    const variables = Object.entries<Variable>(VARIABLES).flatMap(([name, variable]) => [
      `# ${variable.about}`,
      `${name}=${variable.default ?? ''}`,
    ])
    const limits = Object.entries(contract['x-rate-limits']).flatMap(([name, policy]) => [
      `# Quota/seconds. Empty uses ${policy.quota}/${policy.windowSeconds}, as in the contract.`,
      `${rateLimitVariable(name)}=`,
    ])

    const example = await readFile('.env.example', 'utf8')

    const lines = example.split('\n').filter((line) => line !== '')
    expect(lines.slice(2)).toEqual([...variables, ...limits])
  })

  test('changes nothing when it is copied unchanged', async () => {
    const example = parseEnv(await readFile('.env.example', 'utf8'))

    expect(readConfig(example, POLICIES)).toEqual(config())
  })
})

describe('loadConfig', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('reads a .env file, over which the environment takes precedence', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-config-'))
    const file = join(folder, '.env')
    await writeFile(file, 'PORT=4001\nMAX_OPEN_STREAMS=9\n')
    vi.stubEnv('PORT', '4002')

    const { server, limits } = loadConfig(POLICIES, file)

    expect([server.port, limits.maxOpenStreams]).toEqual([4002, 9])
    await rm(folder, { recursive: true })
  })

  test('reports mistakes in the files of keys and certificates by their variables', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-config-'))
    const [env, keys] = [join(folder, '.env'), join(folder, 'keys.json')]
    await writeFile(keys, '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', { mode: 0o600 })
    const certificate = 'TLS_CERT_FILE=/no/such.pem\nTLS_KEY_FILE=/no/such.pem'
    await writeFile(env, `PORT=x\nSIGNING_KEYS_FILE=${keys}\n${certificate}\n`)

    const failure: unknown = await loadServerConfig(POLICIES, env).catch((error: unknown) => error)

    expect((failure as ConfigMistakes).mistakes).toEqual([
      'PORT must be a whole number from 0 to 65535.',
      expect.stringMatching(/^SIGNING_KEYS_FILE: .*keys\[0\] must be an Ed25519 key/),
      'TLS_CERT_FILE names a file that does not exist.',
    ])
    await rm(folder, { recursive: true })
  })

  test.each(['SIGNING_KEYS_FILE', 'TLS_KEY_FILE'])(
    'does not reveal a secret that %s contains instead of the name of a file',
    async (name) => {
      vi.stubEnv(name, '{"keys":[{"d":"the-secret"}]}')

      const failure: unknown = await loadServerConfig(POLICIES, 'none').catch(
        (error: unknown) => error,
      )

      expect((failure as Error).message).toContain(`${name} must be the name of a file`)
      expect((failure as Error).message).not.toContain('the-secret')
    },
  )

  test('needs no .env file', () => {
    expect(loadConfig(POLICIES, 'no-such-file').limits.maxOpenStreams).toBe(5)
  })
})

describe('loadMove', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('reads the source and the target, and needs neither keys nor a secret', () => {
    vi.stubEnv('DATABASE_URL', 'postgresql://parley@db.example/parley')
    vi.stubEnv('DATA_DIR', '/var/lib/parley')

    expect(loadMove('no-such-file')).toEqual({
      dataDir: '/var/lib/parley',
      databaseUrl: 'postgresql://parley@db.example/parley',
      serverSecret: undefined,
      signingKeysFile: undefined,
    })
  })

  test('requires DATABASE_URL', () => {
    vi.stubEnv('DATABASE_URL', '')

    expect(() => loadMove('no-such-file')).toThrow('DATABASE_URL must name the database')
  })
})
