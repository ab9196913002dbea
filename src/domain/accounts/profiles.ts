import type { Account, Preferences, ProfileChanges } from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import type { Call } from '../calls/call.ts'
import { type GuardedCall, refuseStale } from '../calls/entity-tags.ts'
import { requireMode } from '../chat/modes.ts'
import type { Dependencies } from '../dependencies.ts'
import { invalidRequest, Problem } from '../problem.ts'
import { type Act, actorOf, type Audit } from '../records/audit.ts'
import { cutLine } from '../text/single-line.ts'

type Deps = Pick<Dependencies, 'store' | 'clock'> & { access: Access; audit: Audit }

/** The name and preferences of the caller's own account. */
export class Profiles {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** @throws {Problem} token-invalid, account-disabled */
  read(caller: Principal): Promise<Account> {
    return this.#deps.access.account(caller)
  }

  /**
   * Replaces name and preferences as a whole: a preference that is left out is unset.
   * @throws {Problem} invalid-request, precondition-failed, token-invalid
   */
  async replace(
    caller: Principal,
    { displayName, preferences }: { displayName: string; preferences: Preferences },
    { expectedVersions, call }: GuardedCall,
  ): Promise<Account> {
    const { clock, access } = this.#deps
    requireValid(preferences)
    const changes = {
      id: caller.id,
      displayName: cutLine(displayName),
      preferences,
      ...(expectedVersions !== undefined && { expectedVersions }),
      now: clock.now(),
    }
    const changed = await this.#update(caller, changes, call)
    if (changed === 'stale') return refuseStale(await access.account(caller), expectedVersions)
    if (!changed) throw new Problem('token-invalid')
    return changed
  }

  /** A new name is recorded, as it is when an administrator changes it. */
  #update(
    caller: Principal,
    changes: ProfileChanges,
    call: Call,
  ): Promise<Account | 'stale' | undefined> {
    const { store, audit } = this.#deps
    return store.atomically(async (nouns) => {
      const before = await nouns.accounts.lockName(caller.id)
      const changed = await nouns.accounts.updateProfile(changes)
      if (changed === undefined || changed === 'stale') return changed
      if (changed.displayName !== before) await audit.record(nouns, call, renamed(caller))
      return changed
    })
  }
}

function renamed(caller: Principal): Act {
  const self = actorOf(caller)
  const both = { actor: self, target: self }
  if (self.kind === 'user') return { event: 'user.changed', ...both, changed: ['displayName'] }
  // The operations on service accounts call a display name `name`.
  return { event: 'service-account.changed', ...both, changed: ['name'] }
}

/** @throws {Problem} invalid-request */
function requireValid({ defaultMode, locale, timeZone }: Preferences): void {
  if (defaultMode !== undefined) requireMode(defaultMode, '/preferences/defaultMode')
  if (locale !== undefined) {
    requireAccepted(() => Intl.getCanonicalLocales(locale), '/preferences/locale', 'a language tag')
  }
  if (timeZone !== undefined) {
    const format = () => new Intl.DateTimeFormat('en', { timeZone })
    requireAccepted(format, '/preferences/timeZone', 'an IANA time zone')
  }
}

function requireAccepted(attempt: () => unknown, pointer: string, what: string): void {
  try {
    attempt()
  } catch {
    throw invalidRequest({ in: 'body', pointer, code: 'format', detail: `must be ${what}` })
  }
}
