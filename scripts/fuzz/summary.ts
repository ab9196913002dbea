import { readFile } from 'node:fs/promises'

/** What the hooks wrote down: how often each operation answered each status, and what was exempt. */
type Tally = {
  statuses: Record<string, Record<string, number>>
  uses: Record<string, number>
}

/** Something that must not be, and as whom it was seen. */
export type FuzzFailure = { principal: string; text: string }

type Outcome = { principal: string; code: number; tally: Tally | undefined; log: string }

/** What the server says of a reply that breaks the contract, and of a failure it did not expect. */
const BAD_LINES = ['contract violated', 'unexpected failure', 'unexpected exception']

/** Undefined where Schemathesis ended before it wrote one. */
export async function readTally(file: string): Promise<Tally | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as Tally)
}

/** Tells what was done, and returns what failed. */
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
