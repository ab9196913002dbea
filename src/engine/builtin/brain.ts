import 'regenerator-runtime/runtime.js'
import RiveScript from 'rivescript'
import { evaluate, findArithmetic, formatNumber } from './arithmetic.ts'
import { isQuestion, objectIn, topicIn } from './korean.ts'
import { escapeSyntax } from './escape.ts'
import { learn, nameIn } from './facts.ts'
import { hash } from './memory.ts'
import type { Memory } from './memory.ts'
import type { Language, Sentence } from './message.ts'
import { reflect } from './reflect.ts'
import { readRules } from './rules.ts'
import { summarise } from './summary.ts'

/** One sentence being answered, and the memory that it may change. */
interface Moment {
  readonly memory: Memory
  readonly sentence: Sentence | undefined
  /** The answer each rule chose, so that RiveScript sees the same one however often it looks. */
  readonly choices: Map<number, string>
}

const USER = 'user'

/** Answers of the program itself, for what is no sentence. */
export type Occasion = 'silence' | 'emoji' | 'foreign' | 'arithmetic'

/** The rules of one language. Answers one sentence at a time: RiveScript keeps the current user in one place. */
export class Brain {
  readonly #rules: RiveScript
  readonly #language: Language
  #moment: Moment | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(language: Language) {
    this.#language = language
    this.#rules = new RiveScript({
      utf8: true,
      sessionManager: this.#session() as never,
      // The default is standard error, with the user's text in it.
      onDebug: () => undefined,
    })
    const mistakes: string[] = []
    this.#rules.stream(readRules(language), (mistake) => mistakes.push(mistake))
    if (mistakes.length > 0) throw new Error(`The ${language} rules: ${mistakes.join('; ')}`)
    this.#addMacros()
    this.#rules.sortReplies()
    this.#rememberPatterns()
    this.#takeTurns()
  }

  /** The raw reply, with its marks; changes the memory. */
  reply(what: Sentence | Occasion, memory: Memory, original = ''): Promise<string> {
    const answer = this.#last.then(() => this.#reply(what, memory, original))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async #reply(what: Sentence | Occasion, memory: Memory, original: string): Promise<string> {
    const sentence = typeof what === 'string' ? undefined : what
    this.#expression = findArithmetic(sentence?.original ?? original)
    this.#moment = { memory, sentence, choices: new Map() }
    const key = typeof what === 'string' ? what : this.#expression ? 'arithmetic' : what.key
    const reply = await this.#rules.reply(USER, key)
    for (const rule of this.#moment.choices.keys()) {
      memory.uses.set(rule, (memory.uses.get(rule) ?? 0) + 1)
    }
    this.#moment = undefined
    return reply.replace(/\s+/g, ' ').trim()
  }

  #expression: string | undefined

  get #now(): Moment {
    if (!this.#moment) throw new Error('No sentence is being answered')
    return this.#moment
  }

  /** RiveScript's own memory is ours: facts to read, the last reply, and nothing else. */
  #session() {
    return {
      get: async (_user: string, key: string): Promise<unknown> => {
        if (key === 'topic') return 'random'
        if (key === '__history__') {
          return {
            input: Array(10).fill('undefined'),
            reply: Array(10).fill(this.#now.memory.lastReply),
          }
        }
        const fact = this.#now.memory.facts.get(key.replaceAll('_', ' '))
        return fact === undefined ? 'undefined' : escapeSyntax(fact)
      },
      set: async () => undefined,
      defaultSession: () => ({}),
    }
  }

  #addMacros(): void {
    this.#macro('learn', (kind, ...part) => {
      learn(this.#now.memory.facts, kind!.replaceAll('_', ' '), this.#quote(part))
      return ''
    })
    this.#macro('learn-thing', (...args) => {
      const [thing, value] = args.join(' ').split(' is-the ')
      learn(this.#now.memory.facts, `my ${thing!.trim()}`, this.#quote([value ?? '']))
      return ''
    })
    this.#macro('thing', (...part) =>
      escapeSyntax(
        this.#now.memory.facts.get(`my ${part.join(' ').replaceAll('~', '').trim()}`) ??
          'undefined',
      ),
    )
    this.#macro('is-name', (...part) => (nameIn(part.join(' '), this.#language) ? 'yes' : 'no'))
    this.#macro('is-proper', (...part) => {
      const proper = /^\p{Lu}\p{Ll}/u.test(this.#quote(part))
      return proper && nameIn(part.join(' '), this.#language) ? 'yes' : 'no'
    })
    this.#macro('learn-name', (...part) => {
      const name = nameIn(part.join(' '), this.#language)
      learn(this.#now.memory.facts, 'name', this.#quote([name ?? '']))
      return ''
    })
    this.#macro('object', (...part) => objectIn(part.join(' ')) ?? 'undefined')
    this.#macro('learn-object', (kind, ...part) => {
      learn(this.#now.memory.facts, kind!, this.#quote([objectIn(part.join(' ')) ?? '']))
      return ''
    })
    this.#macro('topic', (...part) => topicIn(part.join(' ')) ?? 'undefined')
    this.#macro('learn-topic', (...part) => {
      learn(this.#now.memory.facts, 'subject', this.#quote([topicIn(part.join(' ')) ?? '']))
      return ''
    })
    this.#macro('is-question', () => (isQuestion(this.#now.sentence) ? 'yes' : 'no'))
    this.#macro('quote', (...part) => this.#quote(part))
    this.#macro('capital-quote', (...part) => capitalise(this.#quote(part)))
    this.#macro('capital-fact', (kind) =>
      capitalise(escapeSyntax(this.#now.memory.facts.get(kind ?? '') ?? '')),
    )
    this.#macro('after', () => lastMark(this.#now.memory.lastReply))
    this.#macro('reflect', (...part) => escapeSyntax(reflect(this.#quote(part))))
    this.#macro('summary', () => escapeSyntax(summarise(this.#now.memory.facts, this.#language)))
    this.#macro('expression', () => escapeSyntax(this.#expression ?? ''))
    this.#macro('result', () => {
      const value = evaluate(this.#expression ?? '')
      return value === undefined ? 'undefined' : escapeSyntax(formatNumber(value))
    })
  }

  #macro(name: string, handler: (...args: string[]) => string): void {
    this.#rules.setSubroutine(name, (_rules, args) => handler(...args))
  }

  #quote(part: readonly string[]): string {
    return this.#now.sentence?.quote(part.join(' ')) ?? ''
  }

  /** RiveScript makes the expression of each rule anew for each message: most of its time. Ours depend on nothing but the rule. */
  #rememberPatterns(): void {
    const { brain } = this.#rules
    const make = brain.triggerRegexp.bind(brain)
    const made = new Map<string, Promise<string>>()
    brain.triggerRegexp = (user: string, pattern: string) => {
      const known = made.get(pattern) ?? make(user, pattern)
      made.set(pattern, known)
      return known
    }
  }

  /** RiveScript picks an answer with Math.random. Here each rule offers one at a time, in turns that the conversation begins. */
  #takeTurns(): void {
    const topics = (this.#rules as unknown as { _topics: Record<string, RuleObject[]> })._topics
    for (const [rule, object] of (topics['random'] ?? []).entries()) {
      const answers = object.reply
      if (answers.length < 2) continue
      Object.defineProperty(object, 'reply', { get: () => [this.#choose(rule, answers)] })
    }
  }

  #choose(rule: number, answers: readonly string[]): string {
    const { memory, choices } = this.#now
    const turn = hash(`${memory.seed} ${rule}`) + (memory.uses.get(rule) ?? 0)
    const answer = choices.get(rule) ?? answers[turn % answers.length]!
    choices.set(rule, answer)
    return answer
  }
}

/** The last question that a reply asked, by its mark. */
function lastMark(reply: string): string {
  const marks = [...reply.matchAll(/‹(\w+)›/g)].map(([, mark]) => mark)
  return marks.filter((mark) => mark !== 'fallback' && mark !== 'hello').at(-1) ?? 'nothing'
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

interface RuleObject {
  readonly reply: readonly string[]
}
