import type { Config } from '../config.ts'
import { ConfigMistakes } from './mistakes.ts'

/**
 * Refuses settings whose feature is still to come: an operator who asks for HTTPS must not believe
 * to have it.
 * @throws ConfigMistakes
 */
export function refuseNotYet({ server }: Config): void {
  const asked = {
    REQUIRE_HTTPS: server.requireHttps,
    'TLS_CERT_FILE and TLS_KEY_FILE': server.tls !== undefined,
  }
  const names = Object.entries(asked).flatMap(([name, isAsked]) => (isAsked ? [name] : []))
  if (names.length === 0) return
  throw new ConfigMistakes(names.map((name) => `${name} cannot be used yet: leave it out.`))
}
