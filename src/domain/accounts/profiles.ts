import type { Dependencies } from '../dependencies.ts'
import type { Account, Preferences, ProfileChanges } from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import { type Act, actorOf, type Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import { requireMode } from '../chat/modes.ts'
import type { Principal } from '../access/principal.ts'
import { invalidRequest, Problem } from '../problem.ts'
import { cutLine } from '../text/single-line.ts'
import { refuseStale } from '../calls/entity-tags.ts'

/** What a caller says of itself. */
export function createProfiles({
  store,
  clock,
  access,
  audit,
}: Pick<Dependencies, 'store' | 'clock'> & { access: Access; audit: Audit }) {
  /** A new name is recorded, as when an administrator gives it. */
  const update = (caller: Principal, changes: ProfileChanges, call: Call) =>
    store.atomically(async (nouns) => {
      const before = await nouns.accounts.lockName(caller.id)
      const changed = await nouns.accounts.updateProfile(changes)
      if (changed === undefined || changed === 'stale') return changed
      if (changed.displayName !== before) await audit.record(nouns, call, renamed(caller))
      return changed
    })

  return {
    read: (caller: Principal): Promise<Account> => access.account(caller),

    /**
     * Sets name and preferences as a whole: a preference that is left out is unset.
     * @throws {Problem} precondition-failed
     */
    async replace(
      caller: Principal,
      { displayName, preferences }: { displayName: string; preferences: Preferences },
      { expectedVersions, call }: { expectedVersions: readonly number[] | undefined; call: Call },
    ): Promise<Account> {
      checkPreferences(preferences)
      const changes = {
        id: caller.id,
        displayName: cutLine(displayName),
        preferences,
        ...(expectedVersions !== undefined && { expectedVersions }),
        now: clock.now(),
      }
      const changed = await update(caller, changes, call)
      if (changed === 'stale') return refuseStale(await access.account(caller), expectedVersions)
      if (!changed) throw new Problem('token-invalid')
      return changed
    },
  }
}

function renamed(caller: Principal): Act {
  const self = actorOf(caller)
  const both = { actor: self, target: self }
  if (self.kind === 'user') return { event: 'user.changed', ...both, changed: ['displayName'] }
  // Where service accounts are administered it is called so.
  return { event: 'service-account.changed', ...both, changed: ['name'] }
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
