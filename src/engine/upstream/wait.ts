import type { Clock } from '../../ports/clock/clock.ts'

/** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
export type Wait = Clock['wait']
