/**
 * The mistakes in a URL of PostgreSQL, each a whole sentence. They quote nothing of the URL but the
 * names of known parameters: any part of a mistyped URL may be part of its password.
 */
export class UnusablePostgresUrl extends Error {
  override readonly name = 'UnusablePostgresUrl'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join(' '))
    this.mistakes = mistakes
  }
}
