import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadConfig, loadServerConfig, readConfig } from '../../src/config/config.ts'
import { withoutInjected } from '../../src/config/injected.ts'
import { OUR_PREFIXES } from '../../src/config/variables.ts'
import { NAMES, POLICIES, mistakesIn } from './config.given.ts'

type Port = { number: number; protocol: 'tcp' | 'udp' | 'sctp'; name?: string }
type Service = { name: string; ip: string; ports: [Port, ...Port[]] }

const envName = (name: string) => name.toUpperCase().replaceAll('-', '_')
const withPort = (ip: string, port: number) => (ip.includes(':') ? `[${ip}]` : ip) + `:${port}`

/** The variables that Kubernetes injects for a service (kubernetes/pkg/kubelet/envvars). */
function kubernetesVariables({ name, ip, ports }: Service): Record<string, string> {
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

/** The variables of `docker run --link redis:NAME`, with those of the image. */
function dockerLinkVariables(service: Service): Record<string, string> {
  const name = envName(service.name)
  const links = Object.entries(kubernetesVariables(service)).filter(
    ([key]) => !key.includes('_SERVICE_'),
  )
  return {
    ...Object.fromEntries(links),
    [`${name}_NAME`]: `/web/${service.name}`,
    [`${name}_ENV_REDIS_VERSION`]: '7.0.15',
    [`${name}_PORT_6379_TCP_START`]: `tcp://${withPort(service.ip, 6379)}`,
    [`${name}_PORT_6379_TCP_PORT_END`]: '6399',
  }
}

/** Names of services whose variables begin like those of Parley. */
const CONFUSABLE_NAMES = [...NAMES, ...OUR_PREFIXES].flatMap((name) => {
  const words = name.replace(/_$/, '').toLowerCase().split('_')
  return words.map((_, i) => words.slice(0, i + 1).join('-'))
})
const COMMON_NAMES = [
  'redis',
  'database',
  'server',
  'log',
  'cors',
  'parley',
  'data',
  'redis-url',
  'api',
]
const serviceName = fc.oneof(
  fc.constantFrom(...CONFUSABLE_NAMES, ...COMMON_NAMES),
  fc
    .tuple(fc.constantFrom(...CONFUSABLE_NAMES), fc.stringMatching(/^[a-z0-9]{1,9}$/))
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

const mistakesOf = (env: Record<string, string>) => mistakesIn(() => read(env))

describe('variables that a platform injects', () => {
  test.each([
    ['Kubernetes', kubernetesVariables],
    ['a Docker link', dockerLinkVariables],
  ])('through %s change nothing, whatever the names of the services', (_platform, variablesOf) => {
    fc.assert(
      fc.property(fc.array(service, { minLength: 1, maxLength: 4 }), (services) => {
        const injected = Object.assign({}, ...services.map(variablesOf)) as Record<string, string>
        // The variables of a service can have the names of these two. A variable that the operator
        // sets takes precedence, as in Kubernetes.
        const set = { RATE_LIMIT_CHAT: '7/60', CHAT_UPSTREAM_URL: 'http://model:8000/v1' }
        expect(read({ ...injected, ...set })).toEqual(read(set))
      }),
      { numRuns: 500 },
    )
  })

  test('are reported if they have the name or a prefix of a variable of Parley', () => {
    const env = {
      ...kubernetesVariables(METRICS),
      ...kubernetesVariables({ ...METRICS, name: 'tls-key' }),
    }

    expect(withoutInjected({ ...env, PATH: '/bin' }).leftOut).toEqual([
      'METRICS_PORT',
      ...Object.keys(env).filter((name) => name.startsWith('TLS_KEY_')),
    ])
  })

  test.each(['fd00::1', '::ffff:10.0.0.7'])('are recognised with an IPv6 address (%s)', (ip) => {
    expect(mistakesOf(kubernetesVariables({ ...METRICS, ip }))).toEqual([])
  })
})

describe('a variable that the operator sets', () => {
  const MISTAKE = 'METRICS_PORT must be a whole number from 0 to 65535.'

  test('takes precedence over a service of the same name', () => {
    const env = { ...kubernetesVariables(METRICS), METRICS_PORT: '9999' }

    expect(read(env).server.metrics?.port).toBe(9999)
  })

  test.each<[string, Record<string, string>]>([
    ['an invalid value', { METRICS_PORT: 'abc' }],
    [
      'an invalid value beside the service',
      { ...kubernetesVariables(METRICS), METRICS_PORT: 'abc' },
    ],
    ['an address without other variables of the service', { METRICS_PORT: 'tcp://10.0.0.7:9464' }],
    [
      'an address with only the host of the service',
      { METRICS_PORT: 'tcp://10.0.0.7:9464', METRICS_SERVICE_HOST: '10.0.0.7' },
    ],
    [
      'an address that differs from the other variables',
      { METRICS_PORT: 'tcp://10.0.0.7:9464', METRICS_PORT_9464_TCP: 'tcp://10.0.0.7:9465' },
    ],
    [
      'a name instead of the address',
      { ...kubernetesVariables(METRICS), METRICS_PORT: 'tcp://host:1' },
    ],
  ])('is reported as a mistake: %s', (_what, env) => {
    expect(mistakesOf(env)).toEqual([MISTAKE])
  })

  test('is reported as misspelt beside a service whose name it begins with', () => {
    const env = kubernetesVariables({ ...METRICS, name: 'chat-upstream' })

    expect(mistakesOf({ ...env, CHAT_UPSTREAM_MODLE: 'x' })).toEqual([
      expect.stringContaining('CHAT_UPSTREAM_MODLE is not a variable of Parley'),
    ])
    expect(mistakesOf({ CHAT_UPSTREAM_SERVICE_HOST: '10.0.0.7' })).toHaveLength(1)
    expect(mistakesOf({ ...env, CHAT_UPSTREAM_SERVICE_HOST: 'elsewhere' })).toHaveLength(1)
  })
})

describe('loadServerConfig beside a service named metrics', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-injected-'))
    for (const [name, value] of Object.entries(kubernetesVariables(METRICS)))
      vi.stubEnv(name, value)
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  })

  test('reads METRICS_PORT from .env and reports the variable that it ignored', async () => {
    const file = join(folder, '.env')
    await writeFile(file, 'METRICS_PORT=4711\n')

    const config = await loadServerConfig(POLICIES, file)

    expect(loadConfig(POLICIES, file).server.metrics?.port).toBe(4711)
    expect(config.server.metrics?.port).toBe(4711)
    expect(config.leftOut).toEqual(['METRICS_PORT'])
  })
})
