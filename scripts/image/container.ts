import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { start } from '../support/processes.ts'
import type { ImageConfig } from './builder.ts'
import { printed } from './printed.ts'

const START_LIMIT_MS = 120_000
const LIMIT_MS = 30_000
const LOOK_EVERY_MS = 50
/** The user `node` of the image, and its group. */
const USER = '1000'

/** An image as a folder, with its configuration. */
export type Image = { root: string; config: ImageConfig }

export type ContainerOptions = {
  env: Record<string, string>
  /** Host folders by their paths in the container. Nothing else is writable. */
  volumes?: Record<string, string>
}

/** Process 1 of its own namespace with the image as its root, as a container engine would run it. */
export type Container = {
  stderr(): string
  stdout(): string
  /** Resolves when standard error matches. @throws if the process exits, or after two minutes */
  says(words: RegExp): Promise<RegExpExecArray>
  /** Runs the HEALTHCHECK of the image in the container. @throws if it fails */
  checkHealth(): Promise<void>
  /** Sends SIGTERM. @returns the exit code, and the milliseconds until the exit */
  stop(): Promise<{ code: number | null; afterMs: number }>
  /** Resolves with the exit code. */
  exited: Promise<number | null>
}

/** Makes the root read-only and the volumes writable, in a mount namespace that ends with the process. */
const ENTER = `
root=$1; shift
mount --bind "$root" "$root"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot --userspec=${USER}:${USER} --groups= "$root" env -i "$@"
`

/** Starts a command in the image; the image's own command by default. */
export async function startContainer(
  { root, config }: Image,
  { env, volumes = {} }: ContainerOptions,
  command: readonly string[] = config.Cmd,
): Promise<Container> {
  const places = Object.entries(volumes)
  for (const [place] of places) await mkdir(join(root, place), { recursive: true })
  const all = [...config.Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)]
  const mounts = places.flatMap(([place, folder]) => [folder, place])
  const inside = [...mounts, '--', '-C', config.WorkingDir, ...all, ...command]
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child']
  const parameters = [...namespaces, 'sh', '-ec', ENTER, 'sh', root, ...inside]
  const child = start({ program: 'unshare', parameters }, root)
  const exited = once(child, 'close').then(([code]) => code as number | null)
  const texts = { stderr: '', stdout: '' }
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text))
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (texts.stdout += text))
  return {
    stderr: () => texts.stderr,
    stdout: () => texts.stdout,
    exited,
    says: (words) => says(child, () => texts.stderr, words),
    async checkHealth() {
      const [, ...test] = config.Healthcheck!.Test
      const enter = ['--target', await firstOf(child), '--mount', '--pid', '--root', '--wd']
      const user = ['--setuid', USER, '--setgid', USER]
      const parameters = [...enter, ...user, 'env', '-i', ...all, ...test]
      await printed('nsenter', parameters, { limitMs: LIMIT_MS })
    },
    async stop() {
      const startedAtMs = performance.now()
      process.kill(Number(await firstOf(child)), 'SIGTERM')
      const code = await exited
      return { code, afterMs: Math.round(performance.now() - startedAtMs) }
    },
  }
}

/** Returns the host's pid of process 1 in the container. */
async function firstOf({ pid }: ChildProcess): Promise<string> {
  const children = await readFile(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
  return children.trim()
}

async function says(child: ChildProcess, said: () => string, words: RegExp) {
  const deadline = performance.now() + START_LIMIT_MS
  while (child.exitCode === null && performance.now() < deadline) {
    const match = words.exec(said())
    if (match) return match
    await pause(LOOK_EVERY_MS)
  }
  throw new Error(`The container did not print ${String(words)}:\n${said()}`)
}
