import { tmpdir } from 'node:os'
import { run } from '../support/processes.ts'

/**
 * Runs a program and returns its output.
 * @throws with the last lines of the output if it fails or exceeds the time limit
 */
export async function printed(
  program: string,
  parameters: readonly string[],
  { limitMs }: { limitMs: number },
): Promise<string> {
  const lines: string[] = []
  try {
    await run({ program, parameters, limitMs }, tmpdir(), (line) => lines.push(line))
  } catch (error) {
    throw new Error(`${(error as Error).message}${lines.slice(-30).join('\n')}`, { cause: error })
  }
  return lines.join('\n')
}
