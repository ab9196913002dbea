import { readEnglish } from './english.ts'
import { readKorean } from './korean.ts'
import type { Language, Sentence } from './sentence.ts'

/** The part of a message that is read; a longer one is answered by its beginning. */
const MAX_READ_LENGTH = 1_000
const MAX_SENTENCE_LENGTH = 240
const MAX_SENTENCES = 4

/** The language of most letters; undefined without a letter of either. */
export function languageOf(text: string): Language | undefined {
  const hangul = text.match(/[가-힣ㄱ-ㅎㅏ-ㅣ]/g)?.length ?? 0
  const latin = text.match(/[a-z]/gi)?.length ?? 0
  if (hangul + latin === 0) return undefined
  return hangul * 3 >= latin ? 'korean' : 'english'
}

/** The first sentences of a message, without those that hold no letter or digit. */
export function readSentences(text: string, language: Language): Sentence[] {
  const read = text.slice(0, MAX_READ_LENGTH).toWellFormed().normalize('NFC')
  return read
    .split(/(?<=[.!?。？！…~])\s+|[\r\n]+/)
    .map((piece) => piece.trim().slice(0, MAX_SENTENCE_LENGTH).toWellFormed())
    .filter((piece) => /[\p{L}\p{N}]/u.test(piece))
    .slice(0, MAX_SENTENCES)
    .map((piece) => (language === 'korean' ? readKorean(piece) : readEnglish(piece)))
}
