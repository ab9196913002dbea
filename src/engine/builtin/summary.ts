import type { Facts } from './facts.ts'
import type { Language } from './sentence.ts'

const MAX_THINGS = 5

const SENTENCES: Record<Language, Record<string, string>> = {
  english: {
    name: 'your name is $',
    home: 'you live in $',
    origin: 'you come from $',
    job: 'you work as $',
    like: 'you like $',
    dislike: 'you do not like $',
    subject: 'we talked about $',
  },
  korean: {
    name: '이름은 $',
    home: '사는 곳은 $',
    origin: '고향은 $',
    job: '하시는 일은 $',
    like: '좋아하는 것은 $',
    dislike: '싫어하는 것은 $',
    subject: '이야기한 주제는 $',
  },
}

/** The facts about the user, listed in one sentence; undefined if there are none. */
export function summarise(facts: Facts, language: Language): string | undefined {
  const known = Object.entries(SENTENCES[language]).flatMap(([kind, sentence]) => {
    const value = facts.get(kind)
    return value === undefined ? [] : [sentence.replace('$', () => value)]
  })
  const things = [...facts].filter(([kind]) => kind.startsWith('my ')).slice(-MAX_THINGS)
  if (language === 'english') return listEnglish([...known, ...things.map(thingOf)])
  if (known.length === 0) return undefined
  return known.join(', ')
}

function thingOf([kind, value]: [string, string]): string {
  // Keys have no apostrophes.
  const thing = kind.slice('my '.length).replace(/s name$/, "'s name")
  return `your ${thing} is ${value}`
}

function listEnglish(items: string[]): string | undefined {
  if (items.length < 2) return items[0]
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)!}`
}
