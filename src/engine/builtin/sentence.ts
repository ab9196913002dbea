export type Language = 'english' | 'korean'

/** Stands at both ends of every sentence, so that a `*` in a rule may also mean "nothing". */
export const EDGE = '~'

/** A user's sentence in the form that rules match, and the way back to the user's own words. */
export interface Sentence {
  readonly language: Language
  /** As the user wrote it, trimmed. */
  readonly original: string
  /** Lower-case letters and digits between two edges; without spaces in Korean, where spacing is free. */
  readonly key: string
  /** The user's own text for a part of the key, escaped. */
  quote(part: string): string
}
