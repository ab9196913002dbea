/**
 * Rotates the keys that sign access tokens, while servers run:
 * `npm run rotate-keys [-- --file FILE] [--overlap-seconds N] [--at-once]`, or
 * `node dist/src/commands/rotate-keys.js` where only the production packages are. Without `--file` it is
 * the file that the server here would use. Prints public key ids and times, never a key.
 */
import { parseArgs } from 'node:util'
import { loadConfig } from '../config.ts'
import { loadContract } from '../contract/document.ts'
import { parsePolicies } from '../contract/policies.ts'
import { STATUS_OF } from '../domain/problem.ts'
import { systemClock } from '../ports/clock.ts'
import { importKey, jwksIn } from '../ports/jwk-set.ts'
import { overlapFor, rotateSigningKeys, type Rotation } from '../ports/key-rotation.ts'
import { signingKeysPath } from '../ports/signing-keys.ts'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      file: { type: 'string' },
      'overlap-seconds': { type: 'string' },
      'at-once': { type: 'boolean' },
    },
  })
  const { limits } = parsePolicies(loadContract().document, STATUS_OF)
  const { identity, store } = loadConfig(Object.keys(limits))
  const path =
    values.file ?? signingKeysPath({ file: identity.signingKeysFile, dataDir: store.dataDir })
  const ttlSeconds = identity.accessTokenTtlSeconds
  const rotation = readRotation(values['overlap-seconds'], values['at-once'], ttlSeconds)
  const text = await rotateSigningKeys(path, rotation, systemClock)
  process.stdout.write([`Rotated ${path}:`, ...(await describe(text)), ''].join('\n'))
  if (rotation.kind === 'with-overlap' && rotation.overlapSeconds < ttlSeconds) {
    process.stderr.write(
      `Access tokens live ${ttlSeconds} s: the last of the former key end sooner.\n`,
    )
  }
}

function readRotation(
  overlap: string | undefined,
  atOnce: boolean | undefined,
  ttlSeconds: number,
): Rotation {
  if (atOnce && overlap !== undefined) throw new Error('--at-once leaves no overlap.')
  if (atOnce) return { kind: 'at-once' }
  if (overlap === undefined) return { kind: 'with-overlap', overlapSeconds: overlapFor(ttlSeconds) }
  if (/^\d{1,8}$/.test(overlap)) return { kind: 'with-overlap', overlapSeconds: Number(overlap) }
  throw new Error('--overlap-seconds must be a whole number, 99999999 at most.')
}

async function describe(text: string): Promise<string[]> {
  const keys = await Promise.all(jwksIn(text, 'the file').map((jwk) => importKey(jwk, 'the file')))
  return keys.map(({ kid, privateKey, activeFrom, retiredAt }) => {
    const since = activeFrom === undefined ? 'signs' : `signs from ${timeOf(activeFrom)}`
    const end = retiredAt === undefined ? '' : `, gone from ${timeOf(retiredAt)}`
    return `  ${kid}: ${privateKey ? since : 'verifies'}${end}`
  })
}

const timeOf = (seconds: number) => new Date(seconds * 1000).toISOString()

main().catch((error: unknown) => {
  process.stderr.write(
    `No key was rotated.\n${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = 1
})
