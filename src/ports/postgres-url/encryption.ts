import { type Given, tlsOptions } from './tls-options.ts'
import { UnusablePostgresUrl } from './unusable.ts'
import type { ConnectionOptions } from 'node:tls'

/** Whether and how connections are encrypted. */
export type Encryption = {
  when: 'never' | 'ifOffered' | 'always'
  /** TLS starts without asking the server first. */
  isDirect: boolean
  tls: ConnectionOptions
}

/** libpq's `sslmode`, and `no-verify`, which is node-postgres's word for `require`. */
const MODES = ['disable', 'prefer', 'require', 'no-verify', 'verify-ca', 'verify-full'] as const
type Mode = (typeof MODES)[number]

/** The parameters that this file reads, each with the values that it may have, where they are listed. */
export const ENCRYPTION_PARAMETERS: Readonly<Record<string, readonly string[] | undefined>> = {
  sslmode: MODES,
  ssl: ['true', '1', 'false', '0', 'no-verify'],
  sslrootcert: undefined,
  sslcert: undefined,
  sslkey: undefined,
  sslpassword: undefined,
  sslcrl: undefined,
  sslnegotiation: ['postgres', 'direct'],
  ssl_min_protocol_version: ['TLSv1.2', 'TLSv1.3'],
  ssl_max_protocol_version: ['TLSv1.2', 'TLSv1.3'],
  sslcompression: ['0'],
  sslsni: ['1'],
  uselibpqcompat: ['true'],
}

/**
 * What the parameters mean to libpq: without any, encryption where the server offers it; `require`
 * checks the certificate only against a `sslrootcert`; a socket is never encrypted.
 * @throws UnusablePostgresUrl
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html
 */
export function readEncryption(given: Given, isSocket: boolean): Encryption {
  const wrong = Object.entries(ENCRYPTION_PARAMETERS)
    .filter(([name, words]) => given[name] !== undefined && words?.includes(given[name]) === false)
    .map(([name, words]) => wrongWord(name, words!))
  if (wrong.length > 0) throw new UnusablePostgresUrl(wrong)
  const mode = modeOf(given)
  refuseContradictions(mode, given)
  if (isSocket || mode === 'disable') return { when: 'never', isDirect: false, tls: {} }
  return {
    when: mode === 'prefer' ? 'ifOffered' : 'always',
    isDirect: given['sslnegotiation'] === 'direct',
    tls: { ...tlsOptions(given), ...checking(mode, given) },
  }
}

function wrongWord(name: string, words: readonly string[]): string {
  const accepted = `has the parameter ${name}, which must be ${words.join(', ').replace(/, ([^,]*)$/, ' or $1')}`
  if (name !== 'sslmode') return `${accepted}.`
  return `${accepted}; instead of allow, use prefer, which encrypts if the server offers it.`
}

function modeOf({ sslmode, ssl, sslrootcert }: Given): Mode {
  if (sslmode !== undefined) return sslmode as Mode
  if (ssl === 'true' || ssl === '1') return 'require'
  if (ssl === 'false' || ssl === '0') return 'disable'
  if (ssl === 'no-verify') return 'no-verify'
  return sslrootcert === 'system' ? 'verify-full' : 'prefer'
}

type Contradiction = readonly [isIn: (mode: Mode, given: Given) => boolean, mistake: string]

const isOff = (mode: Mode): boolean => mode === 'disable'
const isChecking = (mode: Mode): boolean =>
  mode !== 'prefer' && mode !== 'no-verify' && mode !== 'disable'

/** Files that would check nothing, or prove nothing: the operator who names them expects that. */
const CONTRADICTIONS: readonly Contradiction[] = [
  ...['sslrootcert', 'sslcrl'].map((name): Contradiction => [
    (mode, given) => given[name] !== undefined && !isChecking(mode),
    `has ${name}, which has no effect with this sslmode: use sslmode=verify-full.`,
  ]),
  [
    (_mode, { sslcrl, sslrootcert }) => sslcrl !== undefined && sslrootcert === undefined,
    'has sslcrl without sslrootcert: set both.',
  ],
  [
    (mode, { sslrootcert }) =>
      mode === 'verify-ca' && (sslrootcert === undefined || sslrootcert === 'system'),
    'has sslmode=verify-ca without the certificate of an authority: name its file with sslrootcert, or use verify-full.',
  ],
  [
    (mode, { sslrootcert }) => sslrootcert === 'system' && mode === 'require',
    'has sslrootcert=system, which requires sslmode=verify-full: anyone can obtain a certificate from these authorities.',
  ],
  [
    (_mode, { sslcert, sslkey }) => (sslcert === undefined) !== (sslkey === undefined),
    'has only one of sslcert and sslkey: set both.',
  ],
  [
    (_mode, { sslpassword, sslkey }) => sslpassword !== undefined && sslkey === undefined,
    'has sslpassword without sslkey: set both, or leave sslpassword out.',
  ],
  [
    (mode, { sslcert }) => sslcert !== undefined && isOff(mode),
    'has sslcert, which sslmode=disable never sends: leave one of them out.',
  ],
  [
    (mode, { sslnegotiation }) => sslnegotiation === 'direct' && (isOff(mode) || mode === 'prefer'),
    'has sslnegotiation=direct, which requires sslmode=require or stricter.',
  ],
  [
    (mode, { ssl, sslmode }) =>
      sslmode !== undefined &&
      ssl !== undefined &&
      isOff(mode) !== (ssl === 'false' || ssl === '0'),
    'has ssl and sslmode, which contradict each other: leave ssl out.',
  ],
]

function refuseContradictions(mode: Mode, given: Given): void {
  const mistakes = CONTRADICTIONS.filter(([isIn]) => isIn(mode, given)).map(
    ([, mistake]) => mistake,
  )
  if (mistakes.length > 0) throw new UnusablePostgresUrl(mistakes)
}

function checking(mode: Mode, { sslrootcert }: Given): ConnectionOptions {
  if (mode === 'verify-full') return {}
  const isAgainstFile = sslrootcert !== undefined && mode !== 'prefer' && mode !== 'no-verify'
  if (!isAgainstFile) return { rejectUnauthorized: false }
  // As `verify-ca`: the name in the certificate does not matter if that authority has signed it.
  return { checkServerIdentity: () => undefined }
}
