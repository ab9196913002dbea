import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type ConnectionOptions, createSecureContext, type SecureVersion } from 'node:tls'
import { UnusablePostgresUrl } from './unusable.ts'

/** The values of the encryption parameters by name. */
export type Given = Readonly<Record<string, string | undefined>>

/**
 * The options of TLS, with the contents of the named files, which are tried out.
 * @throws UnusablePostgresUrl with each file that cannot be read or is of another kind
 */
export function tlsOptions(given: Given): ConnectionOptions {
  const { sslrootcert, sslcert, sslkey, sslcrl, sslpassword } = given
  const mistakes: string[] = []
  const read = (name: string, path: string | undefined, check: (text: string) => unknown) => {
    if (path === undefined) return undefined
    try {
      const text = textOf(name, path)
      attempt(() => check(text), `has ${name}, which names a file that is not ${KINDS[name]!}.`)
      return text
    } catch (error) {
      if (!(error instanceof UnusablePostgresUrl)) throw error
      mistakes.push(...error.mistakes)
      return undefined
    }
  }
  const ca = read('sslrootcert', sslrootcert === 'system' ? undefined : sslrootcert, certificate)
  const cert = read('sslcert', sslcert, certificate)
  const key = read('sslkey', sslkey, (text) => privateKey(text, sslpassword))
  const crl = read('sslcrl', sslcrl, (text) => createSecureContext({ crl: text }))
  if (mistakes.length > 0) throw new UnusablePostgresUrl(mistakes)
  if (cert !== undefined && key !== undefined) requirePair(cert, key, sslpassword)
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(sslpassword !== undefined && { passphrase: sslpassword }),
    ...(crl !== undefined && { crl }),
    ...versions(given),
  }
}

const KINDS: Readonly<Record<string, string>> = {
  sslrootcert: 'a PEM certificate',
  sslcert: 'a PEM certificate',
  sslkey: 'a PEM private key, or sslpassword does not open it',
  sslcrl: 'a PEM list of revoked certificates',
}

function textOf(name: string, path: string): string {
  return attempt(
    () => readFileSync(path, 'utf8'),
    `has ${name}, which must name a file that this user can read.`,
  )
}

function attempt<T>(work: () => T, mistake: string): T {
  try {
    return work()
  } catch {
    // The message may contain the path, which may be anything that was pasted.
    throw new UnusablePostgresUrl([mistake])
  }
}

const certificate = (text: string) => new X509Certificate(text)

const privateKey = (key: string, passphrase?: string) =>
  createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) })

function requirePair(cert: string, key: string, password?: string): void {
  if (certificate(cert).checkPrivateKey(privateKey(key, password))) return
  throw new UnusablePostgresUrl(['has sslcert and sslkey, which do not match.'])
}

function versions(given: Given): ConnectionOptions {
  const { ssl_min_protocol_version: min, ssl_max_protocol_version: max } = given
  return {
    ...(min !== undefined && { minVersion: min as SecureVersion }),
    ...(max !== undefined && { maxVersion: max as SecureVersion }),
  }
}
