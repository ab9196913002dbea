/**
 * Everything RiveScript could read as its own syntax. In what a user wrote, each stands as a private character
 * until the reply is done, so that a user's text is data wherever the brain puts it.
 */
const SYNTAX = '<>{}[]()@|*#_^$\\=%+-/&"~‹›¦!?:;.,'
const FIRST_PRIVATE = 0xe000
const ESCAPABLE = /[<>{}[\]()@|*#_^$\\=%+\-/&"~‹›¦!?:;.,]/g
const ESCAPED = new RegExp(
  `[\\u{${FIRST_PRIVATE.toString(16)}}-\\u{${(FIRST_PRIVATE + SYNTAX.length - 1).toString(16)}}]`,
  'gu',
)

/** A user's text in a form that RiveScript cannot execute. Private characters of the user's own are lost. */
export function escapeSyntax(text: string): string {
  return text
    .replace(ESCAPED, '\ufffd')
    .replace(ESCAPABLE, (character) =>
      String.fromCharCode(FIRST_PRIVATE + SYNTAX.indexOf(character)),
    )
}

/** The user's own text again. */
export function unescapeSyntax(text: string): string {
  return text.replace(ESCAPED, (character) => SYNTAX[character.charCodeAt(0) - FIRST_PRIVATE]!)
}
