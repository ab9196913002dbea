import type { Dependencies } from '../dependencies.ts'
import type { Account, Preferences } from '../store/store.ts'
import type { Access } from './access.ts'
import { requireMode } from './modes.ts'
import type { Principal } from './principal.ts'
import { invalidRequest, Problem } from './problem.ts'
import { cutLine } from './single-line.ts'
import { refuseStale } from './versions.ts'

/** What a caller says of itself. */
export function createProfiles({
  store,
  clock,
  access,
}: Pick<Dependencies, 'store' | 'clock'> & { access: Access }) {
  return {
    read: (caller: Principal): Promise<Account> => access.account(caller),

    /** Sets name and preferences as a whole: a preference that is left out is unset. */
    async replace(
      caller: Principal,
      { displayName, preferences }: { displayName: string; preferences: Preferences },
      expectedVersions: readonly number[] | undefined,
    ): Promise<Account> {
      checkPreferences(preferences)
      const changed = await store.accounts.updateProfile({
        id: caller.id,
        displayName: cutLine(displayName),
        preferences,
        ...(expectedVersions !== undefined && { expectedVersions }),
        now: clock.now(),
      })
      if (changed === 'stale') return refuseStale(await access.account(caller))
      if (!changed) throw new Problem('token-invalid')
      return changed
    },
  }
}

function checkPreferences({ defaultMode, locale, timeZone }: Preferences): void {
  if (defaultMode !== undefined) requireMode(defaultMode, '/preferences/defaultMode')
  if (locale !== undefined) {
    refuseUnless(() => Intl.getCanonicalLocales(locale), '/preferences/locale', 'a language tag')
  }
  if (timeZone !== undefined) {
    const format = () => new Intl.DateTimeFormat('en', { timeZone })
    refuseUnless(format, '/preferences/timeZone', 'an IANA time zone')
  }
}

function refuseUnless(attempt: () => unknown, pointer: string, what: string): void {
  try {
    attempt()
  } catch {
    throw invalidRequest({ in: 'body', pointer, code: 'format', detail: `must be ${what}` })
  }
}
