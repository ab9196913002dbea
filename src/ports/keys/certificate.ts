import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureVersion } from 'node:tls'
import type { Clock } from '../clock/clock.ts'
import type { Log } from '../observability/log.ts'
import { findSecretFile } from './secret-file.ts'
import { StartRefused } from '../start-refused.ts'

/** A renewed certificate is in use after this time; the old one is valid for days then. */
const LOOK_EVERY_MS = 5_000

/** The paths of a certificate chain and its private key, both PEM. */
export type CertificateFiles = { certFile: string; keyFile: string }

/** Options for `https.createServer` and `setSecureContext`. */
export type Certificate = { cert: string; key: string; minVersion: SecureVersion }

type World = { clock: Clock; log: Pick<Log, 'info' | 'error'> }

/** A certificate that may be renewed. */
export interface CertificateSource {
  /** The certificate that was read at the start. */
  readonly first: Certificate
  /** Hands each new one to `use`, until the returned function is called. */
  follow(use: (certificate: Certificate) => void, world: World): () => void
}

/** A certificate that cannot be used. The message never quotes the content of a file. */
export class CertificateMistake extends StartRefused {
  override readonly name = 'CertificateMistake'
}

/**
 * The certificate in two files, which certbot and other tools replace every few weeks. Files that do
 * not match, as in the middle of a renewal, change nothing: the log says why, once for each reason,
 * and they are tried again.
 * @throws CertificateMistake if they cannot be used to begin with
 * @throws SecretFileMistake if others on this machine may open the key
 */
export async function openCertificate(files: CertificateFiles): Promise<CertificateSource> {
  let stamp = await stampOf(files)
  let failure = ''
  const first = await readCertificate(files)

  const update = async (use: (certificate: Certificate) => void): Promise<boolean> => {
    // Asked before the files are read: what is written in between is seen the next time.
    const found = await stampOf(files)
    if (found === stamp && failure === '') return false
    use(await readCertificate(files))
    stamp = found
    failure = ''
    return true
  }
  return {
    first,
    follow(use, { clock, log }) {
      const look = async () => {
        if (await update(use)) log.info('certificate reloaded')
      }
      const report = (error: unknown): void => {
        const reason = String(error)
        if (reason !== failure)
          log.error(
            { err: error },
            'certificate not reloaded: the current certificate stays in use',
          )
        failure = reason
      }
      return clock.every(LOOK_EVERY_MS, look, report)
    },
  }
}

async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const cert = await readFile(certFile, 'utf8').catch(missing(certFile))
  const key = await findSecretFile(keyFile).catch(missing(keyFile))
  if (key === undefined) throw new CertificateMistake(`${keyFile} (TLS_KEY_FILE) does not exist.`)
  const certificate: Certificate = { cert, key, minVersion: 'TLSv1.2' }
  // Node treats an empty text as none, and would then fail at every handshake.
  for (const [path, text] of [
    [certFile, cert],
    [keyFile, key],
  ] as const) {
    if (text.trim() === '') throw new CertificateMistake(`${path} is empty.`)
  }
  try {
    createSecureContext(certificate)
  } catch (error) {
    const { message } = error as Error
    throw new CertificateMistake(
      `${certFile} and ${keyFile} must be a certificate chain and its private key in PEM: ${message}`,
    )
  }
  return certificate
}

function missing(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === undefined) throw error
    throw new CertificateMistake(`${path} cannot be read: ${error.code}.`)
  }
}

/** Changes whenever one of the files does: a rename changes the inode, a write the time. */
async function stampOf({ certFile, keyFile }: CertificateFiles): Promise<string> {
  const stamps = [certFile, keyFile].map(async (path) => {
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    return found ? [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join() : ''
  })
  return (await Promise.all(stamps)).join(' ')
}
