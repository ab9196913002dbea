import type { Charge, Limits } from '../../domain/limits/limits.ts'
import { addressSubject } from '../../domain/limits/limit-subjects.ts'
import type { Problem } from '../../domain/problem.ts'
import type { CallState } from './call-state.ts'

/** The limit for calls without a valid credential. */
const ANONYMOUS = 'anonymous'

/** Counts the call. @returns the refusal, if a limit is exceeded; nothing was counted then */
export async function chargeCall(
  call: CallState,
  limits: Pick<Limits, 'charge'>,
  charges: readonly Charge[],
): Promise<Problem | undefined> {
  const { states, refusal } = await limits.charge(charges)
  call.limits.push(...states)
  if (!refusal) call.charges.push(...charges)
  return refusal
}

/** Gives back everything that the call was counted for. */
export async function refundCall(call: CallState, limits: Pick<Limits, 'refund'>): Promise<void> {
  // Taken out first: what fails half-way must not be refunded twice.
  const charges = call.charges.splice(0)
  call.limits = await limits.refund(charges, call.limits)
}

/**
 * Counts a call by its address: one without an operation, or with a credential that was refused.
 * @throws {Problem} quota-exceeded
 */
export async function chargeAnonymous(
  call: CallState,
  limits: Pick<Limits, 'charge'>,
): Promise<void> {
  if (call.limits.length > 0) return
  const subject = addressSubject(call.address)
  const refusal = await chargeCall(call, limits, [{ policy: ANONYMOUS, subject }])
  if (refusal) throw refusal
}
