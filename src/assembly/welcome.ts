import type { Config } from '../config/config.ts'
import { locationOf } from '../contract/locations.ts'
import type { AdminAccess, FirstAdmin, Misfit } from '../domain/identity/first-admin.ts'

/** The text for a first administrator whose password was made. */
export function introduction({ email, password }: FirstAdmin): string {
  return [
    '',
    '  First start: an administrator was created. This password is shown only once.',
    '',
    `    email     ${email}`,
    `    password  ${password}`,
    '',
  ].join('\n')
}

/** The text after a start: where the server listens, how to log in, and one line to try. */
export function welcome(
  config: Config,
  ports: { api: number; metrics: number | undefined },
  access: AdminAccess,
): string {
  const scheme = config.server.tls ? 'https' : 'http'
  const base = `${scheme}://${hostFor(config.server.host)}:${ports.api}`
  return [
    '',
    `  Parley listens on  ${base}`,
    `  Docs               ${base}/docs`,
    `  Console            ${base}/docs/console`,
    `  Engine             ${describeEngine(config)}`,
    ...describeMetrics(config, ports.metrics),
    '',
    ...describeLogin(access),
    '',
    '  Stream an answer (the command logs in for a token first):',
    '',
    `    ${streamLine(base, access)}`,
    '',
    '',
  ].join('\n')
}

function hostFor(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}

function describeEngine({ engine }: Config): string {
  if (engine.url !== undefined) return 'an OpenAI-compatible server (CHAT_UPSTREAM_URL)'
  return 'built in, rule-based; set CHAT_UPSTREAM_URL to use a language model'
}

function describeMetrics({ server }: Config, port: number | undefined): string[] {
  if (!server.metrics || port === undefined) return []
  return [`  Metrics            http://${hostFor(server.metrics.host)}:${port}/metrics`]
}

function describeLogin(access: AdminAccess): string[] {
  if (access.kind === 'known') return ['  Log in with an existing account.']
  if (access.kind === 'given') return [`  Log in as ${access.email} with your ADMIN_PASSWORD.`]
  if (access.kind === 'unfitting') return describeMisfit(access.reason)
  if (access.isPasswordMade) return [`  Log in as ${access.email} with the password above.`]
  return [`  Log in as ${access.email} with your ADMIN_PASSWORD.`]
}

const RESET = '"npm run reset-password -- EMAIL" sets a new one.'
const MISFITS: Readonly<Record<Misfit, string>> = {
  'not-an-admin':
    'ADMIN_EMAIL does not name an administrator, and one exists: ADMIN_EMAIL and ADMIN_PASSWORD are ignored.',
  disabled:
    'ADMIN_EMAIL names a disabled administrator: ADMIN_EMAIL and ADMIN_PASSWORD are ignored.',
  'wrong-password': 'ADMIN_PASSWORD is not the password of ADMIN_EMAIL: both are ignored.',
  'no-admin-at-all':
    'There is no administrator, and a user already has the email for one: set another ADMIN_EMAIL and ADMIN_PASSWORD, then start again.',
}

/** Settings for the first administrator that do not fit: better read here than found at a login. */
function describeMisfit(reason: Misfit): string[] {
  const ways = `Log in with an existing account. If you forgot its password, ${RESET}`
  return [`  ${MISFITS[reason]}`, ...(reason === 'no-admin-at-all' ? [] : [`  ${ways}`])]
}

/** One line of shell: log in, take the token from the response, stream. */
function streamLine(base: string, access: AdminAccess): string {
  const email = 'email' in access ? access.email : 'YOUR EMAIL'
  const isMade = access.kind === 'made' && access.isPasswordMade
  const password = isMade ? access.password : 'YOUR PASSWORD'
  const credentials = JSON.stringify({ email, password })
  const json = "-H 'Content-Type: application/json'"
  const login = `curl -s ${base}${locationOf('logIn')} ${json} -d ${quoted(credentials)}`
  const token = `$(${login} | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')`
  return `curl -N ${base}${locationOf('streamMessage')} -H "Authorization: Bearer ${token}" ${json} -d '{"message":"Hello! What can you do?"}'`
}

/** One word of shell, whatever it contains: an address may have an apostrophe. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
