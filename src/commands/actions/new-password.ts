import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { StartRefused } from '../../ports/start-refused.ts'

const PASSWORD_BYTES = 18

/** A password. One that was made must be shown. */
export type NewPassword = { text: string; isMade: boolean }

/**
 * The new password: made if `generate` is set, asked for twice on a terminal (an empty one is made),
 * or the first line of standard input. It is never echoed.
 * @throws StartRefused if the two differ, or standard input has none
 */
export async function readNewPassword(how: { generate: boolean }): Promise<NewPassword> {
  if (how.generate) return makePassword()
  if (process.stdin.isTTY) return askTwice()
  const text = await readLine()
  if (text === undefined || text === '') {
    throw new StartRefused(
      'Standard input contains no password: write it as one line, or use --generate.',
    )
  }
  return { text, isMade: false }
}

function makePassword(): NewPassword {
  return { text: randomBytes(PASSWORD_BYTES).toString('base64url'), isMade: true }
}

async function askTwice(): Promise<NewPassword> {
  const text = await askHidden('New password (empty generates one): ')
  if (text === '') return makePassword()
  const again = await askHidden('Repeat the password: ')
  if (again === text) return { text, isMade: false }
  throw new StartRefused('The passwords do not match.')
}

/** Readline echoes what is typed to its output: this one discards it. */
function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  // Only now has the terminal stopped its echo: no prompt invites typing before.
  process.stderr.write(question)
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new StartRefused('Cancelled.'))
    lines.once('SIGINT', refuse).once('close', refuse)
    lines.once('line', (line) => resolve(line))
  }).finally(() => {
    lines.close()
    process.stderr.write('\n')
  }) as Promise<string>
}

async function readLine(): Promise<string | undefined> {
  for await (const line of createInterface({ input: process.stdin })) return line
  return undefined
}
