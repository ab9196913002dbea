import { escapeSyntax } from './escape.ts'
import { EDGE } from './sentence.ts'
import type { Sentence } from './sentence.ts'

interface Word {
  readonly key: string
  readonly from: number
  readonly to: number
}

/** Reads a sentence: contractions are expanded, and punctuation is dropped. */
export function readEnglish(original: string): Sentence {
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

/** Expands "i'm" to "i am": rules are written without contractions. */
function expand(word: string): string[] {
  let long = SHORT_FORMS.get(word) ?? word
  for (const [ending, words] of ENDINGS) long = long.replace(ending, words)
  // A possessive keeps its s: "kim's" becomes "kims".
  return long.replaceAll("'", '').split(' ').filter(Boolean)
}
