import { chmod, copyFile, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Self-signed for `localhost` and 127.0.0.1, with public keys and private keys in the repository: for tests only. */
export type Name = 'first' | 'second'

/** A certificate in a folder of its own, as an operator has it. */
export type CertificateFolder = {
  certFile: string
  keyFile: string
  /** Puts one in place. */
  put(cert: Name, key?: Name): Promise<void>
  close(): Promise<void>
}

const pathOf = (name: Name, part: 'cert' | 'key') =>
  join(import.meta.dirname, 'tls', `${name}-test-only.${part}.pem`)

/** The certificate as a client trusts it. */
export const certificateOf = (name: Name) => readFile(pathOf(name, 'cert'), 'utf8')

async function replace(path: string, by: string): Promise<void> {
  const draft = `${path}.new`
  await copyFile(by, draft)
  await chmod(draft, 0o600)
  await rename(draft, path)
}

/** A folder with the first certificate; its key is its owner's alone. */
export async function openCertificateFolder(): Promise<CertificateFolder> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-tls-'))
  const certFile = join(directory, 'cert.pem')
  const keyFile = join(directory, 'key.pem')
  const put = async (cert: Name, key = cert) => {
    await replace(certFile, pathOf(cert, 'cert'))
    await replace(keyFile, pathOf(key, 'key'))
  }
  await put('first')
  const close = () => rm(directory, { recursive: true, force: true })
  return { certFile, keyFile, put, close }
}
