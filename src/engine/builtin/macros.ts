import { evaluate, formatNumber } from './arithmetic.ts'
import { escapeSyntax } from './escape.ts'
import { learn, nameIn } from './facts.ts'
import { isQuestion, objectIn, topicIn } from './korean.ts'
import type { Memory } from './memory.ts'
import { reflect } from './reflect.ts'
import { EDGE } from './sentence.ts'
import type { Language, Sentence } from './sentence.ts'
import { summarise } from './summary.ts'

/** The sentence that is being answered, and the memory that it may change. */
export interface Moment {
  readonly language: Language
  readonly memory: Memory
  /** Undefined when there is nothing to match, as in a message of emoji. */
  readonly sentence: Sentence | undefined
  /** The arithmetic in the sentence. */
  readonly expression: string | undefined
  /** The answer that each rule chose, so that RiveScript gets the same one on every access. */
  readonly choices: Map<number, string>
}

/**
 * `part` is a part of the sentence's key. The result goes into the reply, so a user's text must be
 * escaped.
 */
type Macro = (moment: Moment, part: string) => string

const YES = 'yes'
const NO = 'no'
/** RiveScript's value of an unset variable; rules compare with it. */
const UNDEFINED = 'undefined'

/**
 * What a rule may `<call>`. Macros that learn return ''; the first word of `learn …` names the
 * fact.
 */
export const macros: Readonly<Record<string, Macro>> = {
  learn: (moment, part) => {
    const { kind, rest } = splitKind(part)
    return remember(moment, kind, rest)
  },
  'learn-object': (moment, part) => {
    const { kind, rest } = splitKind(part)
    return remember(moment, kind, objectIn(rest))
  },
  'learn-topic': (moment, part) => remember(moment, 'subject', topicIn(part)),
  'learn-name': (moment, part) => remember(moment, 'name', nameIn(part, moment.language)),
  'learn-thing': (moment, part) => {
    const [thing = '', value] = part.split(' is-the ')
    return remember(moment, thingKind(thing), value)
  },
  thing: ({ memory }, part) => escapeSyntax(memory.facts.get(thingKind(part)) ?? UNDEFINED),
  object: (_moment, part) => objectIn(part) ?? UNDEFINED,
  topic: (_moment, part) => topicIn(part) ?? UNDEFINED,
  quote,
  'capital-quote': (moment, part) => capitalise(quote(moment, part)),
  'capital-fact': ({ memory }, kind) => escapeSyntax(capitalise(memory.facts.get(kind) ?? '')),
  reflect: (moment, part) => escapeSyntax(reflect(quote(moment, part))),
  summary: ({ memory, language }) => escapeSyntax(summarise(memory.facts, language) ?? UNDEFINED),
  'is-question': ({ sentence }) => (isQuestion(sentence) ? YES : NO),
  'is-name': ({ language }, part) => (nameIn(part, language) === undefined ? NO : YES),
  'is-proper': (moment, part) => {
    const proper = /^\p{Lu}\p{Ll}/u.test(quote(moment, part))
    return proper && nameIn(part, moment.language) !== undefined ? YES : NO
  },
  after: ({ memory }) => lastMark(memory.lastReply),
  expression: ({ expression }) => escapeSyntax(expression ?? ''),
  result: ({ expression }) => {
    const value = evaluate(expression ?? '')
    return value === undefined ? UNDEFINED : escapeSyntax(formatNumber(value))
  },
}

function remember(moment: Moment, kind: string, part: string | undefined): string {
  if (part !== undefined) learn(moment.memory.facts, kind, quote(moment, part))
  return ''
}

function quote({ sentence }: Moment, part: string): string {
  return sentence?.quote(part) ?? ''
}

function splitKind(part: string): { kind: string; rest: string } {
  const [kind = '', ...rest] = part.split(' ')
  return { kind, rest: rest.join(' ') }
}

function thingKind(part: string): string {
  return `my ${part.replaceAll(EDGE, '').trim()}`
}

/** Marks that stand for no question. */
const NO_QUESTION = new Set<string | undefined>(['fallback', 'hello', 'grave'])

/** The mark of the last question in a reply. */
function lastMark(reply: string): string {
  const marks = [...reply.matchAll(/‹(\w+)›/g)].map(([, mark]) => mark)
  return marks.filter((mark) => !NO_QUESTION.has(mark)).at(-1) ?? 'nothing'
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
