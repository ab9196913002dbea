import { escapeSyntax } from './escape.ts'
import { EDGE } from './sentence.ts'
import type { Sentence } from './sentence.ts'

/** Reads a sentence without its spaces, since spacing varies in Korean. */
export function readKorean(original: string): Sentence {
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
    const found = wanted === '' ? -1 : codePoints(letters.slice(0, letters.lastIndexOf(wanted)))
    const first = places[found]
    const last = places[found + codePoints(wanted) - 1]
    if (!first || !last) return escapeSyntax(wanted)
    return escapeSyntax(original.slice(first.from, last.to))
  }
  return { language: 'korean', original, key: EDGE + letters + EDGE, quote }
}

const BEFORE_OBJECT =
  /^(?:저는|나는|저도|나도|전|난|우리는|제가|내가|그리고|그런데|근데|사실은|사실|요즘은|요즘|지금은|지금|정말|진짜|너무|아주|매우|제일|가장|원래|항상|특히)+/
const AFTER_OBJECT = /(?:정말로?|진짜로?|너무|아주|매우|제일|가장|많이|엄청|무척|별로|잘|안)+$/
const OBJECT_PARTICLE = /(?<=.)(?:을|를|이|가|은|는|도|에)$/
/** Nouns that end like a particle, as 고양이 does. */
const NOUN_IN_I =
  /(?:고양이|강아지|떡볶이|이야기|어린이|거북이|원숭이|호랑이|종이|오이|놀이|나이|아이|차이|아기|바다가)$/

/** The object noun in the text before a Korean verb; undefined if there is none. */
export function objectIn(part: string): string | undefined {
  const bare = part.replaceAll('~', '').trim().replace(BEFORE_OBJECT, '').replace(AFTER_OBJECT, '')
  const noun = NOUN_IN_I.test(bare) ? bare : bare.replace(OBJECT_PARTICLE, '')
  return noun === '' || noun.length > 20 ? undefined : noun
}

const BEFORE_TOPIC = /^(?:우리|저랑|나랑|너랑|같이|그럼|그러면|저는|나는|이제|오늘은|오늘)+/
const AFTER_TOPIC = /(?:에대해서|에대해|에관해서|에관해|에대한|관련|으로|같은)$/
const NO_TOPIC = /^(?:재미있는|재밌는|웃긴|무서운|옛날|다른|무슨|어떤|아무|그런|이런|좀|더)$/

/** The topic in "… 이야기 하자"; undefined if there is none. */
export function topicIn(part: string): string | undefined {
  const bare = part.replaceAll('~', '').trim()
  const topic = bare.replace(BEFORE_TOPIC, '').replace(AFTER_TOPIC, '')
  return topic === '' || topic.length > 20 || NO_TOPIC.test(topic) ? undefined : topic
}

const QUESTION_ENDING =
  /(?:까|까요|나요|가요|던가요|습니까|니까|냐|래요|[했하있없갔왔되먹았었]니|뭐야|뭐지|뭐예요|누구야|누구지|어디야|어디지)~$/
const QUESTION_WORD = /무엇|어떻게|어째서|언제|누가|누구|몇|왜(?!냐)/

/** Whether a sentence is a question, by its mark, its ending or a question word. */
export function isQuestion(sentence: Sentence | undefined): boolean {
  if (!sentence) return false
  if (/[?？]["'”’)\s]*$/.test(sentence.original)) return true
  if (sentence.language === 'english') return false
  return QUESTION_ENDING.test(sentence.key) || QUESTION_WORD.test(sentence.key)
}

function codePoints(text: string): number {
  return Array.from(text).length
}
