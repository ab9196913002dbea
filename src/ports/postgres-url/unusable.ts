/**
 * What is wrong with a URL of PostgreSQL, each a whole sentence. No part of the URL is quoted, but the
 * names of known parameters: it holds a password, and any part of a mistyped one may be from it.
 */
export class UnusablePostgresUrl extends Error {
  override readonly name = 'UnusablePostgresUrl'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join(' '))
    this.mistakes = mistakes
  }
}
