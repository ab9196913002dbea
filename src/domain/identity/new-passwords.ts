import type { Passwords } from '../../ports/passwords/passwords.ts'
import { PASSWORD_LENGTH, type PasswordFault, type PasswordPolicy } from './password-policy.ts'
import { Problem } from '../problem.ts'

const FAULTS: Readonly<Record<PasswordFault, string>> = {
  'too-short': `It must have at least ${PASSWORD_LENGTH.least} characters.`,
  'too-long': `It must have at most ${PASSWORD_LENGTH.most} characters.`,
  'too-common': 'It is one of the most common passwords.',
  'unusable-character': 'It contains a character that cannot be typed.',
}

/** Hashes a password that somebody chose. @throws {Problem} weak-password; what `signal` aborts with */
export type HashNewPassword = (password: string, signal?: AbortSignal) => Promise<string>

export function createNewPasswords(policy: PasswordPolicy, passwords: Passwords): HashNewPassword {
  return async (password, signal) => {
    const fault = policy(password)
    if (fault) throw new Problem('weak-password', { detail: FAULTS[fault] })
    return passwords.hash(password, signal)
  }
}
