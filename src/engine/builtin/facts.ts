import { unescapeSyntax } from './escape.ts'
import type { Language } from './sentence.ts'

/**
 * What users told about themselves, by kind: name, home, job, like, dislike, subject, or `my …`.
 */
export type Facts = Map<string, string>

const MAX_FACTS = 50
const MAX_LENGTH = 60

const CLAUSE_END =
  /[,;.!?]|\s(?:and (?=(?:i|my|we|it|he|she|they)\b)|but|because|so|though|although|which|by the way|too|as well|very much|a lot|right now|these days)\b/i

/**
 * Stores a fact in the user's own words, without the clause after it. Returns what was stored, or
 * ''.
 */
export function learn(facts: Facts, kind: string, quoted: string): string {
  const value = clip(unescapeSyntax(quoted), kind)
  if (value === '') return ''
  const oldest = facts.keys().next().value
  if (!facts.has(kind) && facts.size >= MAX_FACTS && oldest !== undefined) facts.delete(oldest)
  facts.set(kind, value)
  return value
}

function clip(text: string, kind: string): string {
  const end = text.search(CLAUSE_END)
  const clause = (end > 0 ? text.slice(0, end) : text).trim()
  const words =
    kind === 'name'
      ? clause
          .split(/\s+and\s+/i)[0]!
          .split(/\s+/)
          .slice(0, 3)
      : clause.split(/\s+/)
  return words.join(' ').slice(0, MAX_LENGTH).toWellFormed()
}

const NOT_A_NAME = {
  english:
    /^(?:yes|yeah|yep|no|nope|nah|not|ok|okay|sure|why|what|who|how|where|when|hi|hello|hey|thanks|thank|bye|stop|nothing|none|maybe|good|fine|lol|haha|can|do|does|is|are|tell|i|you|it|please|help|sorry|happy|sad|tired|well|bored|hungry|later|back|tomorrow|now|a|an|the|something|anything|great|busy|sick|lonely)$/i,
  korean:
    /^(?:네|넵|응|예|아니|아니요|아뇨|싫어요?|왜요?|뭐|뭐예요|몰라요?|안녕.*|고마워요?|감사.*|글쎄요?|좋아요?|그래요?|ㅋ+|ㅎ+|비밀.*|됐어요?|나중에.*|.*(?:까요|어때요|뭐해요|해줘|주세요|인데요|싶어요?|해요|돼요))$/,
}

const AROUND_NAME = {
  english:
    /^(?:(?:hi|hello|well|oh|ok|okay|yes|sure)\s+)?(?:(?:my name is|my name|i am called|i am|you can call me|just call me|call me|they call me|it is|just)\s+)?(.+)$/i,
  korean:
    /^(?:네|음|아|저는|나는|저를|나를|절|날|전|난|제이름은|내이름은|이름은|그냥)*(.+?)(?:입니다|이라고해요|라고해요|이라고불러주세요|라고불러주세요|이라고불러|라고불러|이라고해|라고해|이라고합니다|라고합니다|이에요|예요|에요|이야|야|요)?$/,
}

/**
 * The name in a reply to "what is your name?", as a part of the sentence's key; undefined if there
 * is none.
 */
export function nameIn(part: string, language: Language): string | undefined {
  const name = AROUND_NAME[language].exec(part.replaceAll('~', '').trim())?.[1] ?? ''
  const words = name.split(/\s+/)
  const tooLong = language === 'korean' ? name.length > 6 : words.length > 3
  if (name === '' || tooLong || /\d/.test(name)) return undefined
  return words.some((word) => NOT_A_NAME[language].test(word)) ? undefined : name
}
