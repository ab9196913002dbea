export type Language = 'english' | 'korean'

/** Marks both ends of a sentence, so that a `*` in a rule may also match nothing. */
export const EDGE = '~'

/** A user's sentence in the form that rules match, with access to the user's own words. */
export interface Sentence {
  readonly language: Language
  /** As the user wrote it, trimmed. */
  readonly original: string
  /**
   * Lower-case letters and digits between two edges; in Korean without spaces, since spacing
   * varies.
   */
  readonly key: string
  /** Returns the user's own text for a part of the key, escaped. */
  quote(part: string): string
}
