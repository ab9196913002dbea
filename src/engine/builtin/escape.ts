/**
 * The characters that RiveScript could read as its own syntax. In a user's text each is replaced by
 * a private character until the reply is complete, so that the text is data wherever a rule puts
 * it.
 */
const SYNTAX = '<>{}[]()@|*#_^$\\=%+-/&"~‹›¦!?:;.,'
const FIRST_PRIVATE = 0xe000
const ESCAPABLE = /[<>{}[\]()@|*#_^$\\=%+\-/&"~‹›¦!?:;.,]/g
const ESCAPED = new RegExp(
  `[\\u{${FIRST_PRIVATE.toString(16)}}-\\u{${(FIRST_PRIVATE + SYNTAX.length - 1).toString(16)}}]`,
  'gu',
)

/** Makes a user's text safe from execution by RiveScript. Private characters in it are lost. */
export function escapeSyntax(text: string): string {
  return text
    .replace(ESCAPED, '\ufffd')
    .replace(ESCAPABLE, (character) =>
      String.fromCharCode(FIRST_PRIVATE + SYNTAX.indexOf(character)),
    )
}

/** Restores the user's text. */
export function unescapeSyntax(text: string): string {
  return text.replace(ESCAPED, (character) => SYNTAX[character.charCodeAt(0) - FIRST_PRIVATE]!)
}
