import type { Config } from './config.ts'
import type { FirstAdmin } from './domain/first-admin.ts'

/** What a person reads after the start: where it is, how to get in, and one line to try. */
export function welcome(
  config: Config,
  ports: { api: number; metrics: number | undefined },
  admin: FirstAdmin | undefined,
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
    ...describeLogin(admin),
    '',
    '  Stream an answer (it asks for the token that a login gives):',
    '',
    `    ${streamLine(base, admin)}`,
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
  return 'built in, rule-based; set CHAT_UPSTREAM_URL to talk to a language model'
}

function describeMetrics({ server }: Config, port: number | undefined): string[] {
  if (!server.metrics || port === undefined) return []
  return [`  Metrics            http://${hostFor(server.metrics.host)}:${port}/metrics`]
}

function describeLogin(admin: FirstAdmin | undefined): string[] {
  if (admin === undefined) return ['  Log in with an account that you have.']
  if (!admin.isPasswordMade) return [`  Log in as ${admin.email} with your ADMIN_PASSWORD.`]
  return [
    '  First start: an administrator was made. This password is shown once, here.',
    '',
    `    email     ${admin.email}`,
    `    password  ${admin.password}`,
  ]
}

/** One line of shell: log in, take the token from the answer, stream. */
function streamLine(base: string, admin: FirstAdmin | undefined): string {
  const email = admin?.email ?? 'YOUR EMAIL'
  const password = admin?.isPasswordMade ? admin.password : 'YOUR PASSWORD'
  const credentials = JSON.stringify({ email, password })
  const json = "-H 'Content-Type: application/json'"
  const login = `curl -s ${base}/api/v1/auth/login ${json} -d ${quoted(credentials)}`
  const token = `$(${login} | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')`
  return `curl -N ${base}/api/v1/chat/stream -H "Authorization: Bearer ${token}" ${json} -d '{"message":"Hello! What can you do?"}'`
}

/** One word of shell, whatever is in it: an address may have an apostrophe. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
