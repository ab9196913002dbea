import { deliver, type Question } from './questions.ts'

/** Measured: with one, calls wait for each other; with more, too few travel together. */
const MOST_UNDER_WAY = 2
/** Questions of one request: a statement of that many calls takes PostgreSQL a few milliseconds. */
const MOST_TOGETHER = 100

/**
 * Two requests at a time: a question goes at once if it can, and what is asked while both are under
 * way goes together in the next. A quiet server is asked at once, a busy one less often.
 * @param send one request; as many answers as was asked, in the same order
 */
export function createBatching<Asked, Answer>(
  send: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
): (asked: Asked) => Promise<Answer> {
  const waiting: Question<Asked, Answer>[] = []
  let underWay = 0

  const sendWaiting = async (): Promise<void> => {
    underWay += 1
    while (waiting.length > 0) await deliver(waiting.splice(0, MOST_TOGETHER), send)
    underWay -= 1
  }
  return (asked) =>
    new Promise((resolve, reject) => {
      waiting.push({ asked, resolve, reject })
      if (underWay < MOST_UNDER_WAY) void sendWaiting()
    })
}
