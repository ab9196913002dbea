import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { printed } from './printed.ts'

/** The time limit for a build or a download, enough for two busy cores. */
const BUILD_LIMIT_MS = 10 * 60_000
const LIMIT_MS = 60_000
/** As in the official image of Node: Debian without interactive tools. */
const PACKAGES = 'base-files,libc6,libstdc++6,libgcc-s1,dash,coreutils'
const DEBIAN = ['bookworm', 'http://deb.debian.org/debian']
/** The npm that is bundled with each major version of Node. */
const NPM_OF_NODE: Record<string, string> = { '20': '10', '22': '10', '24': '11' }

const BASE = `FROM scratch
COPY . /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["node"]
`

/** How an image is run, from its configuration. */
export type ImageConfig = {
  User: string
  Env: string[]
  Cmd: string[]
  WorkingDir: string
  StopSignal: string
  Volumes: Record<string, object>
  Healthcheck?: { Test: string[] }
}

/** Returns a builder that keeps its images in `directory` and uses buildah in a chroot, without an engine. */
export function createBuilder(directory: string) {
  const store = ['--root', join(directory, 'store'), '--runroot', join(directory, 'run')]
  const buildah = (limitMs: number, ...parameters: string[]) =>
    printed('buildah', [...store, '--storage-driver', 'vfs', ...parameters], { limitMs })
  // Docker's format: the OCI format has no HEALTHCHECK.
  const bud = ['bud', '--isolation', 'chroot', '--format', 'docker', '--pull-never']
  return {
    /** Makes the image that `FROM` names from Debian packages and from Node and npm of the npm registry. */
    async makeBase(from: string): Promise<void> {
      const root = join(directory, 'base')
      await makeRoot(root, /^node:(\d+)/.exec(from)![1]!, directory)
      const file = join(directory, 'Base')
      await writeFile(file, BASE)
      await buildah(BUILD_LIMIT_MS, ...bud, '-f', file, '-t', `docker.io/library/${from}`, root)
    },
    /** Builds the Dockerfile of a checkout. @returns the root of a container, and the configuration */
    async build(checkout: string): Promise<{ root: string; config: ImageConfig }> {
      const mounts = await npmMounts(directory)
      await buildah(BUILD_LIMIT_MS, ...bud, ...mounts, '-t', 'parley', checkout)
      const container = (await buildah(LIMIT_MS, 'from', '--pull-never', 'localhost/parley')).trim()
      const inspected = JSON.parse(await buildah(LIMIT_MS, 'inspect', container)) as {
        Docker: { config: ImageConfig }
      }
      const root = (await buildah(LIMIT_MS, 'mount', container)).trim()
      return { root, config: inspected.Docker.config }
    },
  }
}

/** Returns the base image of the Dockerfile, which has a single `FROM`. */
export async function baseOf(checkout: string): Promise<string> {
  const text = await readFile(join(checkout, 'Dockerfile'), 'utf8')
  return /^FROM (\S+)$/m.exec(text)![1]!
}

async function makeRoot(root: string, node: string, directory: string): Promise<void> {
  const include = ['--variant=extract', `--include=${PACKAGES}`, '--format=directory']
  const parameters = ['--quiet', ...include, DEBIAN[0]!, root, DEBIAN[1]!]
  await printed('mmdebstrap', parameters, { limitMs: BUILD_LIMIT_MS })
  const downloads = join(directory, 'downloads')
  const binary = `node-linux-${process.arch}`
  const packages = [`${binary}@${node}`, `npm@${NPM_OF_NODE[node]!}`]
  const install = ['install', '--silent', '--no-save', '--prefix', downloads, ...packages]
  await printed('npm', install, { limitMs: BUILD_LIMIT_MS })
  await printed('sh', ['-ec', FURNISH, 'sh', root, join(downloads, 'node_modules'), binary], {
    limitMs: LIMIT_MS,
  })
}

/** Puts Node where the official image has it, and creates the user `node`. */
const FURNISH = `
mkdir -p "$1/usr/local/bin" "$1/usr/local/lib/node_modules" "$1/home/node" "$1/tmp" "$1/root"
cp "$2/$3/bin/node" "$1/usr/local/bin/"
cp -R "$2/npm" "$1/usr/local/lib/node_modules/npm"
for name in npm npx; do
  ln -s "../lib/node_modules/npm/bin/$name-cli.js" "$1/usr/local/bin/$name"
done
printf 'root:x:0:0:root:/root:/bin/sh\\nnode:x:1000:1000::/home/node:/bin/sh\\n' > "$1/etc/passwd"
printf 'root:x:0:\\nnode:x:1000:\\n' > "$1/etc/group"
chown 1000:1000 "$1/home/node"
chmod 1777 "$1/tmp"
`

/** Returns mounts that give the build the npm settings by which this machine reaches the registry. */
async function npmMounts(directory: string): Promise<string[]> {
  const names = ['registry', 'cafile', 'proxy', 'https-proxy']
  const lines: string[] = []
  const mounts: string[] = []
  for (const name of names) {
    const value = (await printed('npm', ['config', 'get', name], { limitMs: LIMIT_MS })).trim()
    if (['', 'null', 'undefined'].includes(value)) continue
    lines.push(`${name}=${value}\n`)
    if (name === 'cafile') mounts.push('-v', `${value}:${value}:ro`)
  }
  const file = join(directory, 'npmrc')
  await writeFile(file, lines.join(''))
  return [...mounts, '-v', `${file}:/usr/local/etc/npmrc:ro`]
}
