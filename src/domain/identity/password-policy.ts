/** The length of a password in characters (code points after NFC). */
export const PASSWORD_LENGTH = { least: 8, most: 256 } as const

/** Why a password is refused. */
export type PasswordFault = 'too-short' | 'too-long' | 'unusable-character' | 'too-common'

/** Returns why a new password is refused, or undefined. */
export type PasswordPolicy = (password: string) => PasswordFault | undefined

/**
 * The policy of NIST SP 800-63B 5.1.1.2: a length and a list of common passwords, no composition
 * rules.
 * @param commonPasswords compared case-insensitively; those below the minimum length are dropped
 */
export function createPasswordPolicy(commonPasswords: Iterable<string>): PasswordPolicy {
  const common = new Set<string>()
  for (const password of commonPasswords) {
    if (password.length >= PASSWORD_LENGTH.least) common.add(folded(password))
  }
  return (password) => {
    const fault = findPasswordFault(password)
    if (fault) return fault
    return common.has(folded(password)) ? 'too-common' : undefined
  }
}

/** Returns why a password is refused, regardless of the list of common ones. */
export function findPasswordFault(
  password: string,
): Exclude<PasswordFault, 'too-common'> | undefined {
  // A lone surrogate has no UTF-8 form: each would be hashed as U+FFFD, like all others.
  if (password.includes('\0') || !password.isWellFormed()) return 'unusable-character'
  const characters = Array.from(password.normalize('NFC')).length
  if (characters < PASSWORD_LENGTH.least) return 'too-short'
  return characters > PASSWORD_LENGTH.most ? 'too-long' : undefined
}

function folded(password: string): string {
  return password.normalize('NFC').toLowerCase()
}
