import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ConfigMistakes, readConfig } from '../../src/config/config.ts'
import { readPostgresUrl, UnusablePostgresUrl } from '../../src/ports/postgres-url/postgres-url.ts'
import { mistakesIn } from './config.given.ts'

const folder = mkdtempSync(join(tmpdir(), 'parley-url-'))
afterAll(() => rmSync(folder, { recursive: true }))

const writeTestFile = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const tls = join(import.meta.dirname, '../support/process/tls')
const certFile = join(tls, 'first-test-only.cert.pem')
const keyFile = join(tls, 'first-test-only.key.pem')
const otherKeyFile = join(tls, 'second-test-only.key.pem')
const invalidPem = writeTestFile('no-pem', 'not a certificate')

const SECRETS = {
  SIGNING_KEYS_FILE: 'keys.json',
  SERVER_SECRET: 'a secret of more than 32 bytes, ok',
}

function mistakesOf(url: string): readonly string[] {
  try {
    readPostgresUrl(url)
  } catch (error) {
    if (error instanceof UnusablePostgresUrl) return error.mistakes
    throw error
  }
  return []
}

test.each<[string, object]>([
  ['postgresql://', {}],
  ['postgres://host', { host: 'host' }],
  ['postgresql://host:5433/db', { host: 'host', port: 5433, database: 'db' }],
  ['postgresql://app:secret@host/db', { user: 'app', password: 'secret', host: 'host' }],
  ['postgresql://app@/db?host=/run/postgresql', { user: 'app', host: '/run/postgresql' }],
  ['postgresql:///db?host=/run/postgresql', { database: 'db', host: '/run/postgresql' }],
  ['postgresql://app@%2Frun%2Fpostgresql:5433/db', { host: '/run/postgresql', port: 5433 }],
  ['postgresql://[2001:db8::1]:5433/db', { host: '2001:db8::1', port: 5433 }],
  ['postgresql:///?user=app&password=s&host=h&port=5&dbname=d', { user: 'app', database: 'd' }],
  ['postgresql://app:p%40s%2Fw%25%3A@host/db', { password: 'p@s/w%:' }],
  ['postgresql://app:p:s?w#r d@host/db', { password: 'p:s?w#r d', host: 'host' }],
  ['postgresql://app:p@ss@host/db', { user: 'app', password: 'p@ss', host: 'host' }],
  ['postgresql://app@host/a%2Fb?schema=chat', { database: 'a/b', schema: 'chat' }],
])('a URL is parsed as libpq does: %s', (url, parts) => {
  expect(readPostgresUrl(url)).toMatchObject(parts)
})

test.each<[string, object]>([
  ['schema=chat', { schema: 'chat' }],
  ['schema=%EC%B1%84%ED%8C%85', { schema: '채팅' }],
  ['application_name=chat-1', { applicationName: 'chat-1' }],
  ['options=-c%20work_mem%3D8MB', { options: '-c work_mem=8MB' }],
  ['connect_timeout=7', { connectMs: 7000 }],
  ['connection_limit=3', { maxConnections: 3 }],
  ['statement_cache_size=20', { namedStatements: 20 }],
  ['pgbouncer=true', { namedStatements: 0 }],
  ['channel_binding=prefer', { channelBinding: true }],
])('a parameter is supported: %s', (parameter, settings) => {
  expect(readPostgresUrl(`postgresql://host/db?${parameter}`)).toMatchObject(settings)
})

test.each(['target_session_attrs=read-write', 'client_encoding=UTF8', 'gssencmode=prefer'])(
  'a parameter with the behaviour of Parley is accepted: %s',
  (parameter) => {
    expect(mistakesOf(`postgresql://host/db?${parameter}`)).toEqual([])
  },
)

const REFUSED = [
  'schema=',
  'schema=pg_toast',
  'schema=a"b',
  `schema=${'x'.repeat(64)}`,
  'schema=a&schema=b',
  'options=-c%20search_path%3Dchat',
  'options=-cstatement_timeout%3D1',
  'connect_timeout=0',
  'connect_timeout=soon',
  'connection_limit=0',
  'pool_timeout=5',
  'statement_cache_size=-1',
  'pgbouncer=yes',
  'channel_binding=require',
  'target_session_attrs=standby',
  'port=0',
  'statement_timeout=5',
  'service=x',
  'passfile=x',
  'hostaddr=127.0.0.1',
  'client_encoding=LATIN1',
  'replication=true',
  'application_name=',
  'sslmode=bogus',
  'sslmode=allow',
  'sslmode=REQUIRE',
  'ssl=maybe',
  'ssl=true&sslmode=disable',
  'sslmode=verify-ca',
  'sslcert=x',
  'sslkey=x',
  'sslrootcert=/nowhere',
  'sslrootcert=x&sslmode=disable',
  'sslrootcert=x&sslmode=prefer',
  'sslrootcert=system&sslmode=require',
  `sslmode=require&sslrootcert=${invalidPem}`,
  `sslmode=require&sslcert=${certFile}&sslkey=${invalidPem}`,
  `sslmode=require&sslcert=${certFile}&sslkey=${otherKeyFile}`,
  'sslpassword=x',
  'sslmode=require&sslnegotiation=fast',
  'sslnegotiation=direct',
  'sslcrl=x',
  'sslcrldir=x',
  'sslaccept=strict',
  'ssl_min_protocol_version=TLSv1',
  'uselibpqcompat=false',
]
test.each(REFUSED)(
  'an unsupported parameter or value is refused by the name of the parameter: %s',
  (parameter) => {
    const mistakes = mistakesOf(`postgresql://host/db?${parameter}`)

    const names = parameter.split('&').map((assignment) => assignment.split('=')[0]!)
    expect(mistakes).not.toEqual([])
    expect(names.some((name) => mistakes.join().includes(name))).toBe(true)
  },
)

test('an unknown parameter is refused by its name', () => {
  expect(mistakesOf('postgresql://host/db?colour=red')).toEqual([
    'has an unknown parameter colour: correct its name, or leave it out.',
  ])
})

test.each(['postgresql://a,b/db', 'postgresql://a:1,b:2/db', 'postgresql:///db?host=a,b'])(
  'several hosts are refused: %s',
  (url) => {
    expect(mistakesOf(url).join()).toContain('must name one host')
  },
)

test.each([
  'mysql://app:Hunter2@host/db',
  'Hunter2',
  'postgresql:/app:Hunter2@host',
  'postgresql://app:Hunter2/x@host/db',
  'postgresql://app:x/Hunter2?y@host/db',
  'postgresql://app:x/y?Hunter2=z@host/db',
  'postgresql://app:100%Hunter2@host/db',
  'postgresql://app:Hunter2@ho st/db',
  'postgresql://host/db?password=x&Hunter2=y',
  'postgresql://host/db?Hunter2',
  'postgresql://host/db?sslmode=Hunter2',
  'postgresql://host/db?sslrootcert=Hunter2&sslmode=require',
  'postgresql://host:Hunter2/db',
])('a refused URL is not quoted: %s', (DATABASE_URL) => {
  expect(() => readConfig({ ...SECRETS, DATABASE_URL }, [])).toThrow(ConfigMistakes)
  expect(mistakesOf(DATABASE_URL)).not.toEqual([])
  expect(mistakesOf(DATABASE_URL).join()).not.toContain('Hunter2')
})

test('all mistakes of a URL are reported together, with the accepted values', () => {
  const DATABASE_URL = 'postgresql://host/db?connect_timeout=x&pool_timeout=3&pgbouncer=1'

  const mistakes = mistakesIn(() => readConfig({ ...SECRETS, DATABASE_URL }, []))

  expect(mistakes).toEqual([
    'DATABASE_URL has the parameter connect_timeout, which must be a whole number from 1 to 60.',
    'DATABASE_URL has the parameter pool_timeout, which Parley does not accept: Parley waits for a connection for connect_timeout, or for 2 s without it.',
    'DATABASE_URL has the parameter pgbouncer, which must be true or false.',
  ])
})

test('PGSSLMODE applies when the URL has no sslmode, as for libpq', () => {
  const urlOf = (DATABASE_URL: string) =>
    readConfig({ ...SECRETS, DATABASE_URL, PGSSLMODE: 'require' }, []).store.databaseUrl!
  const whenOf = (url: string) => readPostgresUrl(urlOf(url)).encryption.when

  expect(whenOf('postgresql://host/db')).toBe('always')
  expect(whenOf('postgresql://host/db?schema=chat')).toBe('always')
  expect(whenOf('postgresql://host/db?sslmode=disable')).toBe('never')
})

test.each<[string, string, object]>([
  ['', 'ifOffered', { rejectUnauthorized: false }],
  ['sslmode=disable', 'never', {}],
  ['ssl=false', 'never', {}],
  ['sslmode=prefer', 'ifOffered', { rejectUnauthorized: false }],
  ['sslmode=require', 'always', { rejectUnauthorized: false }],
  ['ssl=true', 'always', { rejectUnauthorized: false }],
  ['sslmode=no-verify', 'always', { rejectUnauthorized: false }],
  [
    `sslmode=require&sslrootcert=${certFile}`,
    'always',
    { checkServerIdentity: expect.any(Function) },
  ],
  [
    `sslmode=verify-ca&sslrootcert=${certFile}`,
    'always',
    { checkServerIdentity: expect.any(Function) },
  ],
  ['sslmode=verify-full', 'always', {}],
  ['sslrootcert=system', 'always', {}],
  ['sslmode=verify-full&ssl_min_protocol_version=TLSv1.3', 'always', { minVersion: 'TLSv1.3' }],
])('encryption follows libpq: %s', (parameters, when, options) => {
  const { encryption } = readPostgresUrl(`postgresql://host/db?${parameters}`)
  const { ca: _ca, ...rest } = encryption.tls

  expect(encryption.when).toBe(when)
  expect(rest).toEqual(options)
})

test('a socket is not encrypted with sslmode=verify-full', () => {
  const { encryption } = readPostgresUrl(
    'postgresql:///db?host=/run/postgresql&sslmode=verify-full',
  )

  expect(encryption.when).toBe('never')
})

test('an encrypted private key requires the right sslpassword', () => {
  const encryptedKey = join(folder, 'encrypted.pem')
  const options = ['-aes256', '-passout', 'pass:open sesame', '-in', keyFile, '-out', encryptedKey]
  execFileSync('openssl', ['pkey', ...options], { stdio: 'ignore' })

  const url = `postgresql://host/db?sslmode=require&sslcert=${certFile}&sslkey=${encryptedKey}&sslpassword=`

  expect(mistakesOf(`${url}open%20sesame`)).toEqual([])
  expect(mistakesOf(`${url}wrong`).join()).toContain('sslkey')
})
