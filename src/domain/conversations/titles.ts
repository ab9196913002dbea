import { lineOf } from '../text/single-line.ts'

/** In graphemes: what a reader takes for one character. */
const TITLE_LENGTH = 60
/** In code points, as the contract bounds a title, less one for the ellipsis. */
const LONGEST_TITLE = 199
/** In UTF-16 units. No title needs more of the line, and splitting all of it into graphemes is slow. */
const LONGEST_SCAN = 1_024
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The title of a conversation whose creator or first message gives none. */
export const UNTITLED = 'New conversation'

/** A conversation's title from its first message: its beginning, on one line, cut between words. */
export function titleOf(message: string): string {
  const line = lineOf(message).replace(/\s+/g, ' ')
  if (line === '') return UNTITLED
  const graphemes = firstGraphemes(line)
  if (graphemes.length <= TITLE_LENGTH && graphemes.join('') === line) return line
  // A single grapheme longer than a title: it has no inner boundary to cut at.
  if (graphemes.length === 0) return `${codePointsOf(line).slice(0, LONGEST_TITLE).join('')}…`
  const most = Math.min(graphemes.length, TITLE_LENGTH)
  const space = graphemes.lastIndexOf(' ', most)
  // A long word, or a language without spaces, is cut at the limit.
  const end = space > most / 2 ? space : most
  return `${graphemes.slice(0, end).join('')}…`
}

/** The first graphemes of a line: one more than a title has, or fewer if they are long. */
function firstGraphemes(line: string): string[] {
  const graphemes: string[] = []
  let room = LONGEST_TITLE
  for (const { segment } of GRAPHEMES.segment(line.slice(0, LONGEST_SCAN))) {
    room -= codePointsOf(segment).length
    if (room < 0 || graphemes.length > TITLE_LENGTH) break
    graphemes.push(segment)
  }
  return graphemes
}

function codePointsOf(text: string): string[] {
  return Array.from(text.slice(0, LONGEST_SCAN))
}
