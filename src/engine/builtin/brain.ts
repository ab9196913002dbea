import RiveScript from 'rivescript'
import { findArithmetic } from './arithmetic.ts'
import { escapeSyntax } from './escape.ts'
import { macros } from './macros.ts'
import type { Moment } from './macros.ts'
import { hash } from './memory.ts'
import type { Memory } from './memory.ts'
import { readRules } from './rules.ts'
import type { Language, Sentence } from './sentence.ts'

const USER = 'user'

/** What the program replies to by itself when there is no sentence. */
export type Occasion = 'silence' | 'emoji' | 'foreign' | 'arithmetic'

/**
 * The rules of one language. Replies to one sentence at a time: RiveScript holds a single current
 * user.
 */
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
      // The default writes the user's text to standard error.
      onDebug: () => undefined,
    })
    const mistakes: string[] = []
    this.#rules.stream(readRules(language), (mistake) => mistakes.push(mistake))
    if (mistakes.length > 0) throw new Error(`The ${language} rules: ${mistakes.join('; ')}`)
    this.#addMacros()
    this.#rules.sortReplies()
    this.#cachePatterns()
    this.#rotateAnswers()
  }

  /** Returns the raw reply, with its marks, and updates the memory. */
  reply(what: Sentence | Occasion, memory: Memory, original = ''): Promise<string> {
    const answer = this.#last.then(() => this.#reply(what, memory, original))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async #reply(what: Sentence | Occasion, memory: Memory, original: string): Promise<string> {
    const sentence = typeof what === 'string' ? undefined : what
    const expression = findArithmetic(sentence?.original ?? original)
    const language = this.#language
    this.#moment = { language, memory, sentence, expression, choices: new Map() }
    const occasion = typeof what === 'string' ? what : undefined
    const key = occasion ?? (expression === undefined ? sentence?.key : 'arithmetic') ?? 'silence'
    const reply = await this.#rules.reply(USER, key)
    for (const rule of this.#moment.choices.keys()) {
      memory.uses.set(rule, (memory.uses.get(rule) ?? 0) + 1)
    }
    this.#moment = undefined
    return reply.replace(/\s+/g, ' ').trim()
  }

  get #now(): Moment {
    if (!this.#moment) throw new Error('No sentence is being answered')
    return this.#moment
  }

  /** Replaces RiveScript's own memory: it reads facts and the last reply, and stores nothing. */
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
    for (const [name, macro] of Object.entries(macros)) {
      this.#rules.setSubroutine(name, (_rules, words) => macro(this.#now, words.join(' ')))
    }
  }

  /**
   * RiveScript compiles the expression of each rule for each message, which takes most of its time.
   * Here an expression depends on the rule alone.
   */
  #cachePatterns(): void {
    const { brain } = this.#rules
    const compile = brain.triggerRegexp.bind(brain)
    const cached = new Map<string, Promise<string>>()
    brain.triggerRegexp = (user: string, pattern: string) => {
      const expression = cached.get(pattern) ?? compile(user, pattern)
      cached.set(pattern, expression)
      return expression
    }
  }

  /**
   * RiveScript picks an answer with Math.random. Here each rule offers one at a time, in an order
   * that the conversation's seed starts.
   */
  #rotateAnswers(): void {
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

interface RuleObject {
  readonly reply: readonly string[]
}
