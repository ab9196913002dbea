import { parseArgs } from 'node:util'
import type { Config } from '../../config/config.ts'
import { systemClock } from '../../ports/clock/clock.ts'
import { importKey, jwksIn } from '../../ports/keys/jwk-set.ts'
import { overlapFor, rotateSigningKeys, type Rotation } from '../../ports/keys/key-rotation.ts'
import { signingKeysPath } from '../../ports/keys/signing-keys.ts'

/**
 * Rotates the keys in the file that `args` or the configuration name.
 * @returns a report in public key ids and times, and a warning if there is one
 * @throws if an argument is not valid; the file stays as it is
 */
export async function rotateKeys(
  args: readonly string[],
  { identity, store }: Pick<Config, 'identity' | 'store'>,
): Promise<{ report: string; warning?: string }> {
  const { file, rotation } = readArguments(args, identity.accessTokenTtlSeconds)
  const path = file ?? signingKeysPath({ file: identity.signingKeysFile, dataDir: store.dataDir })
  const text = await rotateSigningKeys(path, rotation, systemClock)
  const report = [`Rotated ${path}:`, ...(await describe(text)), ''].join('\n')
  return { report, ...warningOf(rotation, identity.accessTokenTtlSeconds) }
}

function readArguments(
  args: readonly string[],
  ttlSeconds: number,
): { file: string | undefined; rotation: Rotation } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      file: { type: 'string' },
      'overlap-seconds': { type: 'string' },
      'at-once': { type: 'boolean' },
    },
  })
  const overlap = values['overlap-seconds']
  return { file: values.file, rotation: readRotation(overlap, values['at-once'], ttlSeconds) }
}

function readRotation(
  overlap: string | undefined,
  atOnce: boolean | undefined,
  ttlSeconds: number,
): Rotation {
  if (atOnce && overlap !== undefined)
    throw new Error('Use either --at-once or --overlap-seconds, not both.')
  if (atOnce) return { kind: 'at-once' }
  if (overlap === undefined) return { kind: 'with-overlap', overlapSeconds: overlapFor(ttlSeconds) }
  if (/^\d{1,8}$/.test(overlap)) return { kind: 'with-overlap', overlapSeconds: Number(overlap) }
  throw new Error('--overlap-seconds must be a whole number, at most 99999999.')
}

function warningOf(rotation: Rotation, ttlSeconds: number): { warning?: string } {
  if (rotation.kind === 'at-once' || rotation.overlapSeconds >= ttlSeconds) return {}
  return {
    warning: `Access tokens are valid for ${ttlSeconds} s: the last ones that the former key signed end sooner.\n`,
  }
}

async function describe(text: string): Promise<string[]> {
  const keys = await Promise.all(jwksIn(text, 'the file').map((jwk) => importKey(jwk, 'the file')))
  return keys.map(({ kid, privateKey, activeFrom, retiredAt }) => {
    const since = activeFrom === undefined ? 'signs' : `signs from ${timeOf(activeFrom)}`
    const end = retiredAt === undefined ? '' : `, retired from ${timeOf(retiredAt)}`
    return `  ${kid}: ${privateKey ? since : 'verifies'}${end}`
  })
}

const timeOf = (seconds: number) => new Date(seconds * 1000).toISOString()
