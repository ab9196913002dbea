/** Numbers that look random and are the same for the same seed. */
export type Random = {
  /** From 0 up to, not including, 1. */
  next(): number
  /** A whole number from `least` to `most`. */
  int(least: number, most: number): number
  pick<T>(from: readonly T[]): T
}

/** A seed for this run: `TEST_SEED`, to repeat one that failed, or a new one. It is printed. */
export function seedOfRun(): number {
  const given = process.env['TEST_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given)
  console.log(`TEST_SEED=${seed}`)
  return seed
}

/** Marsaglia's xorshift, 32 bits. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0 || 1
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  // Seeds that lie close together begin alike.
  for (let i = 0; i < 20; i += 1) next()
  const int = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return { next, int, pick: (from) => from[int(0, from.length - 1)]! }
}
