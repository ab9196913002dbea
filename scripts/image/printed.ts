import { tmpdir } from 'node:os'
import { run } from '../support/processes.ts'

/** Runs a program. @returns what it printed. @throws when it fails or takes too long, with its last lines */
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
