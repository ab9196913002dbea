import type { Tally } from '../../ports/limiter/limiter.ts'

/** What a policy counts: its name and whom. */
export type Charge = { policy: string; subject: string }

/** What remains of one limit for one subject. */
export type LimitState = Tally & { policy: string }
