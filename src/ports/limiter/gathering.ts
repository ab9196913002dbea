import { deliver, type Question } from './questions.ts'

/**
 * rate-limiter-flexible asks its store one key at a time. This puts what is asked in one go into
 * one request to the store.
 */
export type Gathering<Asked, Answer> = {
  /** Gets its own answer out of the request that it travels in. */
  ask(asked: Asked): Promise<Answer>
  /** Everything that `begin` asks before it returns travels in one request. */
  together<T>(begin: () => T): T
}

/** @param send one request to the store; as many answers as was asked, in the same order */
export function createGathering<Asked, Answer>(
  send: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
): Gathering<Asked, Answer> {
  let gathered: Question<Asked, Answer>[] | undefined

  const together = <T>(begin: () => T): T => {
    const questions: Question<Asked, Answer>[] = []
    gathered = questions
    try {
      return begin()
    } finally {
      gathered = undefined
      if (questions.length > 0) void deliver(questions, send)
    }
  }
  const ask = (asked: Asked): Promise<Answer> => {
    const questions = gathered
    if (!questions) return together(() => ask(asked))
    return new Promise((resolve, reject) => {
      questions.push({ asked, resolve, reject })
    })
  }
  return { ask, together }
}
