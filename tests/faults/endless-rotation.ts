/**
 * Rotates the signing keys in the file argv[2] until it is killed, and writes the id of each new
 * key once it is in the file.
 */
import { systemClock, type Clock } from '../../src/ports/clock/clock.ts'
import { rotateSigningKeys } from '../../src/ports/keys/key-rotation.ts'

/** A lock that the last process left is given up by the clock: nobody waits 10 s for it here. */
const hastyClock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * 1000,
  wait: () => systemClock.wait(1),
}

for (;;) {
  const rotation = { kind: 'with-overlap', overlapSeconds: 3600 } as const
  const text = await rotateSigningKeys(process.argv[2]!, rotation, hastyClock)
  const { keys } = JSON.parse(text) as { keys: { kid: string }[] }
  process.stdout.write(`${keys[0]!.kid}\n`)
}
