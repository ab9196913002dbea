import { cleanText } from '../clean-text.ts'

/** The contract's longest model name, in UTF-16 code units. */
const LONGEST_MODEL = 200
/** C0 and C1 controls, line separators, and characters that change the direction of a line. */
const NOT_IN_A_NAME = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/u

/** A model's name as callers may see it; undefined for what is no name. */
export function displayModel(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const model = withoutFolders(value)
  const isName = model !== '' && model.length <= LONGEST_MODEL && model === cleanText(model)
  return isName && !NOT_IN_A_NAME.test(model) ? model : undefined
}

/** Some local servers name a model by the path of its file; the folders are not shown. */
function withoutFolders(model: string): string {
  return /^(?:[A-Za-z]:)?[\\/]/.test(model) ? model.replace(/^.*[\\/](?=[^\\/])/, '') : model
}
