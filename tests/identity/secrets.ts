import type { Tokens } from '../support/client.ts'

/** Shorter pieces could occur in a text by chance. */
const SHORTEST_PIECE = 12

/**
 * The secrets that a test has used, and the search for them in what the server wrote. A test of a new feature
 * passes every secret that it sends or receives to `keep`.
 */
export class Secrets {
  readonly #known = new Map<string, string>()

  /** @returns the secret, so that the call can stand where the secret is used */
  keep(what: string, secret: string): string {
    this.#known.set(secret, what)
    return secret
  }

  keepTokens(tokens: Tokens): void {
    const { accessToken, refreshToken } = tokens
    this.keep('a refresh token', refreshToken)
    this.keep('an access token', accessToken)
    // Each part is kept too, for a line that holds only some of them.
    for (const part of accessToken.split('.')) this.keep('a part of an access token', part)
  }

  /** Returns those that the text holds, in clear or in a common encoding. */
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
