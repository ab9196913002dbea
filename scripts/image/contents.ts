import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Image } from './container.ts'
import { printed } from './printed.ts'

const LIMIT_MS = 60_000
const MEGABYTE = 1024 * 1024
/** Measured: 157 MB. With the packages that only the build needs, it would be twice as large. */
const LARGEST_APP_BYTES = 220 * MEGABYTE
const APP = ['dist', 'node_modules', 'openapi', 'package.json', 'prisma', 'src']
/** Packages that only the build needs. */
const FOR_BUILDS = ['typescript', 'tsx', 'vitest', 'prisma', 'eslint', 'esbuild']
const SECRETS = '.*/([.]env|[.]git|signing-keys[.]json|server-secret)'
const VARIABLES = ['PATH', 'NODE_ENV', 'DATA_DIR']
const DATA_MODE = 0o700
const MODE = 0o777

/** Checks that the image contains what the server needs and nothing else. @throws naming the difference */
export async function checkContents({ root }: Image): Promise<void> {
  const app = join(root, 'app')
  same(await readdir(app), APP, '/app')
  const packages = await readdir(join(app, 'node_modules'))
  same(
    packages.filter((name) => FOR_BUILDS.includes(name)),
    [],
    'packages that only a build needs',
  )
  const others = ['(', '-not', '-user', 'root', '-o', '-perm', '/022', '-not', '-type', 'l', ')']
  same(await find([app, ...others]), [], 'what others than root could change')
  const secrets = ['-regextype', 'posix-extended', '-regex', SECRETS]
  same(await find([app, join(root, 'data'), ...secrets]), [], 'secrets')
  const { uid, mode } = await stat(join(root, 'data'))
  same([uid, mode & MODE], [1000, DATA_MODE], '/data')
  const bytes = Number((await printed('du', ['-sb', app], { limitMs: LIMIT_MS })).split('\t')[0])
  if (bytes > LARGEST_APP_BYTES) throw new Error(`/app is too large: ${bytes / MEGABYTE} MB`)
}

/** Checks the configuration of the image, and that it has no secret. @throws naming the difference */
export function checkConfig({ config }: Image): void {
  const { User, Cmd, StopSignal, Volumes, Env, Healthcheck } = config
  same([User, StopSignal], ['node', 'SIGTERM'], 'user and signal')
  same(Cmd, ['node', 'dist/src/main.js'], 'command')
  same(Object.keys(Volumes), ['/data'], 'volumes')
  same(
    Env.map((variable) => variable.split('=')[0]),
    VARIABLES,
    'variables',
  )
  if (Healthcheck?.Test[0] !== 'CMD') throw new Error('The image has no HEALTHCHECK.')
}

async function find(parameters: readonly string[]): Promise<string[]> {
  const text = await printed('find', parameters, { limitMs: LIMIT_MS })
  return text.split('\n').filter((line) => line !== '')
}

function same(found: readonly unknown[], wanted: readonly unknown[], what: string): void {
  const [one, other] = [[...found].sort(), [...wanted].sort()].map((list) => JSON.stringify(list))
  if (one !== other) throw new Error(`${what}: found ${one!.slice(0, 1000)} instead of ${other!}`)
}
