import { readFile } from 'node:fs/promises'

/** What the hooks counted: the responses by operation and status, and the uses of each exemption. */
type Tally = {
  statuses: Record<string, Record<string, number>>
  uses: Record<string, number>
}

/** A failure, and the caller that met it. */
export type FuzzFailure = { principal: string; text: string }

type Outcome = { principal: string; code: number; tally: Tally | undefined; log: string }

/** The log messages for a reply that breaks the contract and for an unexpected failure. */
const BAD_LINES = ['contract violated', 'unexpected failure', 'unexpected exception']

/** Returns undefined if Schemathesis exited before it wrote a tally. */
export async function readTally(file: string): Promise<Tally | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as Tally)
}

/** Prints a summary and returns the failures. */
export function summaryOf({ principal, code, tally, log }: Outcome): FuzzFailure[] {
  const failed = (text: string): FuzzFailure => ({ principal, text })
  const lines = log.split('\n').filter((line) => line !== '')
  const bad = lines.filter((line) => BAD_LINES.some((words) => line.includes(words)))
  const serverErrors = lines.filter((line) => /"status":5\d\d/.test(line))
  if (!tally) return [failed('Schemathesis wrote nothing down: it did not get to its end')]
  tell(principal, tally)
  return [
    ...(code === 0 ? [] : [failed(`schemathesis ended with ${code}; its failures stand above`)]),
    ...[...bad, ...serverErrors].map((line) => failed(`the server logged ${line}`)),
  ]
}

function tell(principal: string, { statuses, uses }: Tally): void {
  const counts = Object.values(statuses).flatMap((byStatus) => Object.values(byStatus))
  const calls = counts.reduce((sum, count) => sum + count, 0)
  const operations = Object.entries(statuses)
  const without = operations.filter(([, byStatus]) => !Object.keys(byStatus).some(isSuccess))
  console.log(`\n${principal}: ${operations.length} operations, ${calls} calls`)
  console.log(`  never succeeded: ${without.map(([name]) => name).join(', ') || 'none'}`)
  for (const [name, count] of Object.entries(uses)) console.log(`  exempt ${count} times: ${name}`)
}

function isSuccess(status: string): boolean {
  return status.startsWith('2') || status.startsWith('3')
}
