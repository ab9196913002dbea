import { join } from 'node:path'
import { run } from './processes.ts'

type Install = {
  /** The parameters of `pip install`. */
  pip: readonly string[]
  limitMs: number
  /** Added to the environment of pip. */
  env?: Record<string, string>
}

/**
 * Creates a virtual environment and installs packages into it. Needs Python 3 with venv.
 * @returns the `bin` folder of the environment
 */
export async function makeVenv(
  directory: string,
  { pip, limitMs, env = {} }: Install,
): Promise<string> {
  const bin = join(directory, 'bin')
  const python = { program: 'python3', parameters: ['-m', 'venv', directory], limitMs }
  await run(python, '.')
  const quietly = ['install', '--quiet', '--disable-pip-version-check']
  // Some packages compile for minutes: other processes have priority.
  const parameters = [join(bin, 'python'), '-m', 'pip', ...quietly, ...pip]
  await run({ program: 'nice', parameters, env, limitMs }, '.')
  return bin
}
