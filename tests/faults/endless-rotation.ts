/**
 * Rotates the signing keys in the file argv[2] until it is killed, and writes the id of each new
 * key once it is in the file.
 */
import { systemClock, type Clock } from '../../src/ports/clock/clock.ts'
import { rotateSigningKeys } from '../../src/ports/keys/key-rotation.ts'

/** Expires the lock that a killed process left behind at once, instead of after 10 s. */
const fastClock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * 1000,
  wait: () => systemClock.wait(1),
}

for (;;) {
  const rotation = { kind: 'with-overlap', overlapSeconds: 3600 } as const
  const text = await rotateSigningKeys(process.argv[2]!, rotation, fastClock)
  const { keys } = JSON.parse(text) as { keys: { kid: string }[] }
  process.stdout.write(`${keys[0]!.kid}\n`)
}
