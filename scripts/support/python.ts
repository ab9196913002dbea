import { join } from 'node:path'
import { run } from './processes.ts'

type Install = {
  /** What pip is told after its `install`. */
  pip: readonly string[]
  limitMs: number
  /** In the environment of pip. */
  env?: Record<string, string>
}

/**
 * A virtual environment with what pip is told to install. Needs Python 3 with venv.
 * @returns the folder of its programs
 */
export async function makeVenv(
  directory: string,
  { pip, limitMs, env = {} }: Install,
): Promise<string> {
  const bin = join(directory, 'bin')
  const python = { program: 'python3', parameters: ['-m', 'venv', directory], limitMs }
  await run(python, '.')
  const quietly = ['install', '--quiet', '--disable-pip-version-check']
  // What compiles for minutes leaves the machine to others.
  const parameters = [join(bin, 'python'), '-m', 'pip', ...quietly, ...pip]
  await run({ program: 'nice', parameters, env, limitMs }, '.')
  return bin
}
