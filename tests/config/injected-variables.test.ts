import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  ConfigMistakes,
  loadConfig,
  loadServerConfig,
  readConfig,
} from '../../src/config/config.ts'
import { withoutInjected } from '../../src/config/injected.ts'
import { OUR_PREFIXES, rateLimitVariable, VARIABLES } from '../../src/config/variables.ts'

const POLICIES = ['anonymous', 'user', 'chat', 'sign-in-address', 'sign-in-account']
const OUR_NAMES = [...Object.keys(VARIABLES), ...POLICIES.map(rateLimitVariable)]

type Port = { number: number; protocol: 'tcp' | 'udp' | 'sctp'; name?: string }
type Service = { name: string; ip: string; ports: [Port, ...Port[]] }

const envName = (name: string) => name.toUpperCase().replaceAll('-', '_')
const withPort = (ip: string, port: number) => (ip.includes(':') ? `[${ip}]` : ip) + `:${port}`

/** The variables of kubernetes/pkg/kubelet/envvars. */
function kubernetes({ name, ip, ports }: Service): Record<string, string> {
  const service = envName(name)
  const [first] = ports
  const env: Record<string, string> = {
    [`${service}_SERVICE_HOST`]: ip,
    [`${service}_SERVICE_PORT`]: String(first.number),
    [`${service}_PORT`]: `${first.protocol}://${withPort(ip, first.number)}`,
  }
  for (const { number, protocol, name: port } of ports) {
    if (port) env[`${service}_SERVICE_PORT_${envName(port)}`] = String(number)
    const link = `${service}_PORT_${number}_${protocol.toUpperCase()}`
    env[link] = `${protocol}://${withPort(ip, number)}`
    env[`${link}_PROTO`] = protocol
    env[`${link}_PORT`] = String(number)
    env[`${link}_ADDR`] = ip
  }
  return env
}

/** `docker run --link redis:NAME`, with what its image sets. */
function dockerLink(service: Service): Record<string, string> {
  const name = envName(service.name)
  const links = Object.entries(kubernetes(service)).filter(([key]) => !key.includes('_SERVICE_'))
  return {
    ...Object.fromEntries(links),
    [`${name}_NAME`]: `/web/${service.name}`,
    [`${name}_ENV_REDIS_VERSION`]: '7.0.15',
    [`${name}_PORT_6379_TCP_START`]: `tcp://${withPort(service.ip, 6379)}`,
    [`${name}_PORT_6379_TCP_PORT_END`]: '6399',
  }
}

/** Names of services whose variables begin as ours do, and others. */
const OUR_BEGINNINGS = [...OUR_NAMES, ...OUR_PREFIXES].flatMap((name) => {
  const words = name.replace(/_$/, '').toLowerCase().split('_')
  return words.map((_, i) => words.slice(0, i + 1).join('-'))
})
const COMMON = ['redis', 'database', 'server', 'log', 'cors', 'parley', 'data', 'redis-url', 'api']
const serviceName = fc.oneof(
  fc.constantFrom(...OUR_BEGINNINGS, ...COMMON),
  fc
    .tuple(fc.constantFrom(...OUR_BEGINNINGS), fc.stringMatching(/^[a-z0-9]{1,9}$/))
    .map((parts) => parts.join('-')),
)
const port: fc.Arbitrary<Port> = fc.record(
  {
    number: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
    name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/),
  },
  { requiredKeys: ['number', 'protocol'] },
)
const service: fc.Arbitrary<Service> = fc.record({
  name: serviceName,
  ip: fc.oneof(fc.ipV4(), fc.constantFrom('fd00::1', '2001:db8::17')),
  ports: fc.tuple(port, port, port).map(([first, ...others]) => [first, ...others]),
})

const METRICS: Service = {
  name: 'metrics',
  ip: '10.0.0.7',
  ports: [{ number: 9464, protocol: 'tcp' }],
}

const read = (env: Record<string, string>) => readConfig(withoutInjected(env).env, POLICIES)

function mistakesOf(env: Record<string, string>): readonly string[] {
  try {
    read(env)
  } catch (error) {
    if (error instanceof ConfigMistakes) return error.mistakes
    throw error
  }
  return []
}

describe('variables that a platform injects', () => {
  test.each([
    ['Kubernetes', kubernetes],
    ['a Docker link', dockerLink],
  ])('by %s change nothing, whatever the services are called', (_platform, variablesOf) => {
    fc.assert(
      fc.property(fc.array(service, { minLength: 1, maxLength: 4 }), (services) => {
        const injected = Object.assign({}, ...services.map(variablesOf)) as Record<string, string>
        // A service may be called like a variable's name up to its last word: what an operator
        // set wins, in Kubernetes as well.
        const own = { RATE_LIMIT_CHAT: '7/60', CHAT_UPSTREAM_URL: 'http://model:8000/v1' }
        expect(read({ ...injected, ...own })).toEqual(read(own))
      }),
      { numRuns: 500 },
    )
  })

  test('are named, those alone that would have been taken for ours', () => {
    const env = { ...kubernetes(METRICS), ...kubernetes({ ...METRICS, name: 'tls-key' }) }

    expect(withoutInjected({ ...env, PATH: '/bin' }).leftOut).toEqual([
      'METRICS_PORT',
      ...Object.keys(env).filter((name) => name.startsWith('TLS_KEY_')),
    ])
  })

  test.each(['fd00::1', '::ffff:10.0.0.7'])('are known with an address of IPv6 (%s)', (ip) => {
    expect(mistakesOf(kubernetes({ ...METRICS, ip }))).toEqual([])
  })
})

describe('what an operator wrote', () => {
  const MUST = 'METRICS_PORT must be a whole number from 0 to 65535.'

  test('is kept beside a service of the same name', () => {
    const env = { ...kubernetes(METRICS), METRICS_PORT: '9999' }

    expect(read(env).server.metrics?.port).toBe(9999)
  })

  test.each<[string, Record<string, string>]>([
    ['a wrong word', { METRICS_PORT: 'abc' }],
    ['a wrong word beside the service', { ...kubernetes(METRICS), METRICS_PORT: 'abc' }],
    ['an address that nothing proves', { METRICS_PORT: 'tcp://10.0.0.7:9464' }],
    [
      'an address beside a host alone',
      { METRICS_PORT: 'tcp://10.0.0.7:9464', METRICS_SERVICE_HOST: '10.0.0.7' },
    ],
    [
      'an address beside a proof that does not agree',
      { METRICS_PORT: 'tcp://10.0.0.7:9464', METRICS_PORT_9464_TCP: 'tcp://10.0.0.7:9465' },
    ],
    [
      'a name in the place of the address',
      { ...kubernetes(METRICS), METRICS_PORT: 'tcp://host:1' },
    ],
  ])('is a mistake still: %s', (_what, env) => {
    expect(mistakesOf(env)).toEqual([MUST])
  })

  test('is a misspelling still, beside a service whose name it begins with', () => {
    const env = kubernetes({ ...METRICS, name: 'chat-upstream' })

    expect(mistakesOf({ ...env, CHAT_UPSTREAM_MODLE: 'x' })).toEqual([
      expect.stringContaining('CHAT_UPSTREAM_MODLE is not a variable of Parley'),
    ])
    expect(mistakesOf({ CHAT_UPSTREAM_SERVICE_HOST: '10.0.0.7' })).toHaveLength(1)
    expect(mistakesOf({ ...env, CHAT_UPSTREAM_SERVICE_HOST: 'elsewhere' })).toHaveLength(1)
  })
})

describe('a server', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-injected-'))
    for (const [name, value] of Object.entries(kubernetes(METRICS))) vi.stubEnv(name, value)
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  })

  test('takes from .env what a service of that name would hide, and knows what it left out', async () => {
    const file = join(folder, '.env')
    await writeFile(file, 'METRICS_PORT=4711\n')
    expect(loadConfig(POLICIES, file).server.metrics?.port).toBe(4711)

    const config = await loadServerConfig(POLICIES, file)
    expect(config.server.metrics?.port).toBe(4711)
    expect(config.leftOut).toEqual(['METRICS_PORT'])
  })
})
