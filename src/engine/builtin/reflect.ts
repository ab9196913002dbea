import { unescapeSyntax } from './escape.ts'

const REFLECTIONS = new Map(
  Object.entries({
    i: 'you',
    me: 'you',
    my: 'your',
    mine: 'yours',
    myself: 'yourself',
    "i'm": "you're",
    "i've": "you've",
    "i'd": "you'd",
    "i'll": "you'll",
    am: 'are',
    you: 'me',
    your: 'my',
    yours: 'mine',
    yourself: 'myself',
    "you're": "I'm",
    "you've": "I've",
  }),
)

const MAX_WORDS = 12

/** Swaps the perspective of plain text: "my boss ignores me" becomes "your boss ignores you". */
export function reflect(quoted: string): string {
  const words = unescapeSyntax(quoted).split(/\s+/).filter(Boolean).slice(0, MAX_WORDS)
  return words
    .map((word) => REFLECTIONS.get(word.toLowerCase().replace('’', "'")) ?? word)
    .join(' ')
    .replace(/\bme are\b/g, 'I am')
    .replace(/^me\b(?=\s)/, 'I')
}
