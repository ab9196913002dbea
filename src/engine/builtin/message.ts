import { escapeSyntax } from './escape.ts'

export type Language = 'english' | 'korean'

/** What is read of one message. A longer one is answered by its beginning. */
const MAX_READ_LENGTH = 1_000
const MAX_SENTENCE_LENGTH = 240
const MAX_SENTENCES = 4

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

/** The language that most of the letters are in; undefined without any letter of the two. */
export function languageOf(text: string): Language | undefined {
  const hangul = text.match(/[가-힣ㄱ-ㅎㅏ-ㅣ]/g)?.length ?? 0
  const latin = text.match(/[a-z]/gi)?.length ?? 0
  if (hangul + latin === 0) return undefined
  return hangul * 3 >= latin ? 'korean' : 'english'
}

/** The first sentences of a message. None without a letter or digit. */
export function readSentences(text: string, language: Language): Sentence[] {
  const read = text.slice(0, MAX_READ_LENGTH).toWellFormed().normalize('NFC')
  return read
    .split(/(?<=[.!?。？！…~])\s+|[\r\n]+/)
    .map((piece) => piece.trim().slice(0, MAX_SENTENCE_LENGTH).toWellFormed())
    .filter((piece) => /[\p{L}\p{N}]/u.test(piece))
    .slice(0, MAX_SENTENCES)
    .map((piece) => (language === 'korean' ? readKorean(piece) : readEnglish(piece)))
}

function readKorean(original: string): Sentence {
  const kept = [...original.matchAll(/[\p{L}\p{N}]/gu)]
  const places = kept.flatMap((match) =>
    Array.from(match[0].toLowerCase(), () => ({
      from: match.index,
      to: match.index + match[0].length,
    })),
  )
  const letters = kept.map(([letter]) => letter.toLowerCase()).join('')
  const quote = (part: string) => {
    const wanted = part.replaceAll(EDGE, '').trim()
    const found = wanted === '' ? -1 : [...letters.slice(0, letters.lastIndexOf(wanted))].length
    const first = places[found]
    const last = places[found + [...wanted].length - 1]
    if (!first || !last) return escapeSyntax(wanted)
    return escapeSyntax(original.slice(first.from, last.to))
  }
  return { language: 'korean', original, key: EDGE + letters + EDGE, quote }
}

interface Word {
  readonly key: string
  readonly from: number
  readonly to: number
}

function readEnglish(original: string): Sentence {
  const words = [...original.matchAll(/\S+/g)].flatMap((match) => {
    const bare = match[0]
      .toLowerCase()
      .replace(/[’‘`]/g, "'")
      .replace(/[^\p{L}\p{M}\p{N}']+/gu, ' ')
    const keys = bare.trim().split(/\s+/).flatMap(expand)
    return keys.map((key): Word => ({ key, from: match.index, to: match.index + match[0].length }))
  })
  const quote = (part: string) => {
    const wanted = part.replaceAll(EDGE, '').trim()
    const keys = wanted.split(/\s+/)
    const at = lastIndexOfRun(words, keys)
    const first = words[at]
    const last = words[at + keys.length - 1]
    if (!first || !last) return escapeSyntax(wanted)
    return escapeSyntax(
      original.slice(first.from, last.to).replace(/^["'“(]+|[.,!?;:"'”)…]+$/g, ''),
    )
  }
  const key = `${EDGE} ${words.map((word) => word.key).join(' ')} ${EDGE}`
  return { language: 'english', original, key, quote }
}

function lastIndexOfRun(words: readonly Word[], keys: readonly string[]): number {
  for (let at = words.length - keys.length; at >= 0; at--) {
    if (keys.every((key, offset) => words[at + offset]?.key === key)) return at
  }
  return -1
}

const SHORT_FORMS = new Map(
  Object.entries({
    "can't": 'can not',
    cannot: 'can not',
    cant: 'can not',
    "won't": 'will not',
    wont: 'will not',
    dont: 'do not',
    didnt: 'did not',
    doesnt: 'does not',
    isnt: 'is not',
    im: 'i am',
    ive: 'i have',
    whats: 'what is',
    whos: 'who is',
    hows: 'how is',
    thats: 'that is',
    lets: 'let us',
    youre: 'you are',
    u: 'you',
    ur: 'your',
    r: 'are',
    favourite: 'favorite',
    plz: 'please',
    pls: 'please',
    thx: 'thanks',
    ty: 'thanks',
    wanna: 'want to',
    gonna: 'going to',
    "let's": 'let us',
    "name's": 'name is',
    "what's": 'what is',
    "who's": 'who is',
    "how's": 'how is',
    "where's": 'where is',
    "that's": 'that is',
    "it's": 'it is',
    "there's": 'there is',
    "he's": 'he is',
    "she's": 'she is',
  }),
)

const ENDINGS: readonly (readonly [RegExp, string])[] = [
  [/n't$/, ' not'],
  [/'m$/, ' am'],
  [/'re$/, ' are'],
  [/'ve$/, ' have'],
  [/'ll$/, ' will'],
  [/'d$/, ' would'],
]

/** "i'm" as "i am": rules are written without short forms. */
function expand(word: string): string[] {
  let long = SHORT_FORMS.get(word) ?? word
  for (const [ending, words] of ENDINGS) long = long.replace(ending, words)
  // A possessive keeps its s: "kim's" is "kims".
  return long.replaceAll("'", '').split(' ').filter(Boolean)
}
