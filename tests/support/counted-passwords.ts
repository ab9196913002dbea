import { randomBytes } from 'node:crypto'
import { createPasswords, type Passwords } from '../../src/ports/passwords/passwords.ts'

/** Real hashing that records its work: each entry is one bcrypt. */
export type CountedPasswords = {
  passwords: Passwords
  /** Returns the work since the last call. */
  takeWork(): ('hash' | 'verify')[]
}

/** @param cost of bcrypt; the lowest by default */
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
