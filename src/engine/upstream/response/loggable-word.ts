/** A word of an upstream as it may be logged: a name made of letters, or a whole number. */
export function loggable(word: unknown): string {
  const isName =
    typeof word === 'string' && word.length <= 60 && /^[a-z]+([_-][a-z]+)*$/i.test(word)
  if (isName) return word
  return typeof word === 'number' && Number.isInteger(word) ? String(word) : 'no name'
}
