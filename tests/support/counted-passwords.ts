import { randomBytes } from 'node:crypto'
import { createPasswords, type Passwords } from '../../src/ports/passwords/passwords.ts'

/** Real hashing that remembers what it was asked to do: each entry is one bcrypt. */
export type CountedPasswords = {
  passwords: Passwords
  /** The work since the last time that this was asked. */
  takeWork(): ('hash' | 'verify')[]
}

/** @param cost of bcrypt; the least one unless told otherwise */
export function createCountedPasswords(cost = 4): CountedPasswords {
  const real = createPasswords({ key: randomBytes(32), cost })
  let work: ('hash' | 'verify')[] = []
  return {
    passwords: {
      ...real,
      hash(password, signal) {
        work.push('hash')
        return real.hash(password, signal)
      },
      verify(password, hash, signal) {
        work.push('verify')
        return real.verify(password, hash, signal)
      },
    },
    takeWork() {
      const done = work
      work = []
      return done
    },
  }
}
