import type { Tokens } from '../support/client.ts'

/** A shorter piece could be in a text by chance. */
const SHORTEST_PIECE = 12

/**
 * The secrets of a test, written down as they appear. To extend it: whatever a new feature gives
 * out or is given, `keep` it, and what the server writes is searched for it at the end.
 */
export class Secrets {
  readonly #known = new Map<string, string>()

  /** @returns the secret, so that it can be kept in the place where it is used */
  keep(what: string, secret: string): string {
    this.#known.set(secret, what)
    return secret
  }

  keepTokens(tokens: Tokens): void {
    const { accessToken, refreshToken } = tokens
    this.keep('a refresh token', refreshToken)
    this.keep('an access token', accessToken)
    // A line that cut the token in pieces would show enough: its signature opens what it signs.
    for (const part of accessToken.split('.')) this.keep('a part of an access token', part)
  }

  /** What of them the text holds, in clear or in a common encoding. */
  foundIn(text: string): string[] {
    const found = [...this.#known].filter(([secret]) =>
      spellingsOf(secret).some((spelling) => text.includes(spelling)),
    )
    return found.map(([secret, what]) => `${what}: ${secret}`)
  }
}

function spellingsOf(secret: string): string[] {
  const ends = [secret.slice(0, 24), secret.slice(-24)]
  const pieces = secret.startsWith('parley_refresh_') ? [secret.slice(-24)] : ends
  const bytes = Buffer.from(secret)
  return [
    secret,
    ...(secret.length > 48 ? pieces : []),
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    secret.replaceAll(' ', '+'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ].filter((spelling) => spelling.length >= SHORTEST_PIECE)
}
