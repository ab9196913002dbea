import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export type Command = {
  program: string
  parameters: readonly string[]
  /** `run` adds these to the environment of this process; `start` passes only these, if there are any. */
  env?: NodeJS.ProcessEnv
  limitMs: number
}

const running = new Set<ChildProcess>()

// When this process ends, its children and their children end too: each child has its own process group.
process.on('exit', () => {
  for (const child of running) end(child)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => process.exit(1))

/**
 * Starts a program. Its standard output is a pipe, or goes to the file descriptor `stdout`. The program
 * ends with this process at the latest.
 */
export function start(
  { program, parameters, env }: Omit<Command, 'limitMs'>,
  directory: string,
  stdout: 'pipe' | number = 'pipe',
): ChildProcess {
  const child = spawn(program, parameters, {
    cwd: directory,
    env: env ?? process.env,
    detached: true,
    stdio: ['ignore', stdout, 'pipe'],
  })
  running.add(child)
  child.on('close', () => running.delete(child))
  return child
}

/**
 * Runs a program until it exits and passes each line of its output to `onLine`.
 * @throws if the program is not found, fails or exceeds its time limit; the message includes the output
 * unless there is an `onLine`
 */
export async function run(
  { program, parameters, env = {}, limitMs }: Command,
  directory: string,
  onLine?: (line: string) => void,
): Promise<void> {
  const child = start({ program, parameters, env: { ...process.env, ...env } }, directory)
  let output = ''
  let rest = ''
  const take = (chunk: string) => {
    if (!onLine) output += chunk
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach((line) => onLine?.(line))
  }
  child.stdout?.setEncoding('utf8').on('data', take)
  child.stderr?.setEncoding('utf8').on('data', take)
  const late = new AbortController()
  late.signal.addEventListener('abort', () => end(child))
  const limit = setTimeout(() => late.abort(), limitMs)
  const said = [program, ...parameters].join(' ')
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    if (late.signal.aborted)
      throw new Error(`"${said}" took more than ${limitMs / 1000} s\n${output}`)
    if (code !== 0) throw new Error(`"${said}" failed\n${output}`)
  } finally {
    clearTimeout(limit)
  }
}

/** Sends SIGTERM, and SIGKILL if the program has not exited within the limit. */
export async function stop(child: ChildProcess, limitMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const stubborn = setTimeout(() => child.kill('SIGKILL'), limitMs)
  await exited
  clearTimeout(stubborn)
}

function end(child: ChildProcess): void {
  if (child.pid === undefined || !running.delete(child)) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The process group has already exited.
  }
}
