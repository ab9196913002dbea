import { createPublicKey } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadContract } from '../../../src/contract/document.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { parseSigningKeys } from '../../../src/ports/keys/signing-keys.ts'
import { newServerSecret } from '../../../src/ports/keys/server-secret.ts'
import { folderOf, installNodePeer, installPythonPeer } from './peers.ts'
import type { Program } from './servers.ts'

const NO_QUOTA = 100_000_000
/** Longer than any run of the bench. */
export const TOKEN_SECONDS = 7_200

/** The settings of all servers: the files of the contract and the keys. */
export type Common = { directory: string; keysText: string; secret: string; env: Env }
type Env = Record<string, string>

/** Writes the files that the servers read. @param directory is deleted after the run */
export async function prepareCommon(directory: string, keysText: string): Promise<Common> {
  const at = (name: string) => join(directory, name)
  const { document } = loadContract()
  // express-openapi-validator takes `servers` of a path for a method.
  for (const item of Object.values(document.paths)) delete item.servers
  const keys = await parseSigningKeys(keysText, 'the bench')
  const jwks = keys.publicJwks()
  const [first] = (jwks as { keys: { kty: string }[] }).keys
  const pem = createPublicKey({ key: first!, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  })
  await writeFile(at('contract.json'), JSON.stringify(document))
  await writeFile(at('jwks.json'), JSON.stringify(jwks))
  await writeFile(at('public.pem'), pem)
  await writeFile(at('keys.json'), keysText, { mode: 0o600 })
  return {
    directory,
    keysText,
    secret: newServerSecret(),
    env: {
      CONTRACT: at('contract.json'),
      JWKS: at('jwks.json'),
      PUBLIC_KEY: at('public.pem'),
      ANSWERS: at('answers.json'),
      PARLEY: join(packageRoot, 'dist/src'),
    },
  }
}

/** Parley as operators run it: built, in one process. Without a URL, it uses the embedded database. */
export async function parley(common: Common, databaseUrl?: string): Promise<Program> {
  const directory = join(common.directory, databaseUrl === undefined ? 'embedded' : 'served')
  await mkdir(directory, { recursive: true })
  const quotas = ['ANONYMOUS', 'USER', 'CHAT', 'SIGN_IN_ADDRESS', 'SIGN_IN_ACCOUNT']
  return {
    name: 'parley',
    command: process.execPath,
    parameters: () => [join(packageRoot, 'dist/src/main.js')],
    directory,
    env: {
      HOST: '127.0.0.1',
      DATA_DIR: join(directory, 'data'),
      SERVER_SECRET: common.secret,
      SIGNING_KEYS_FILE: join(common.directory, 'keys.json'),
      ADMIN_EMAIL: 'admin@example.com',
      ADMIN_PASSWORD: 'the administrator of the bench',
      ACCESS_TOKEN_TTL_SECONDS: String(TOKEN_SECONDS),
      MAX_OPEN_STREAMS: '1000',
      ...Object.fromEntries(quotas.map((name) => [`RATE_LIMIT_${name}`, `${NO_QUOTA}/3600`])),
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
    },
  }
}

/** @param name also the folder of peers/, unless `more.folder` names one */
export async function nodePeer(
  common: Common,
  name: string,
  more: { env?: Env; folder?: string } = {},
): Promise<Program> {
  const directory = await installNodePeer(more.folder ?? name)
  const env = { ...common.env, ...more.env }
  return { name, command: process.execPath, parameters: () => ['server.js'], directory, env }
}

/** Two processes with threads each, as gunicorn's documentation advises for two cores. */
export async function flask(common: Common, databaseUrl: string): Promise<Program> {
  const bin = await installPythonPeer('flask')
  const how = ['--workers=2', '--threads=4', '--access-logfile=-', '--log-level=warning']
  const { hostname, port, username, password, pathname } = new URL(databaseUrl)
  const secret = password === '' ? '' : `:${password}`
  return {
    name: 'flask',
    command: join(bin, 'gunicorn'),
    parameters: (listens) => [...how, `--bind=127.0.0.1:${listens}`, 'server:app'],
    directory: folderOf('flask'),
    env: {
      ...common.env,
      PYTHONDONTWRITEBYTECODE: '1',
      DATABASE_URL: `postgresql+psycopg2://${username}${secret}@${hostname}:${port || '5432'}${pathname}`,
    },
  }
}
