import { deliver, type Question } from './questions.ts'

/** Questions of one request: a statement of that many calls takes PostgreSQL a few milliseconds. */
const MOST_TOGETHER = 100

/**
 * One request at a time: the first question goes at once, and what is asked while a request is under
 * way goes together in the next. A quiet server is asked at once, a busy one less often.
 * @param send one request; as many answers as was asked, in the same order
 */
export function createBatching<Asked, Answer>(
  send: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
): (asked: Asked) => Promise<Answer> {
  const waiting: Question<Asked, Answer>[] = []
  let underWay = false

  const sendWaiting = async (): Promise<void> => {
    underWay = true
    while (waiting.length > 0) await deliver(waiting.splice(0, MOST_TOGETHER), send)
    underWay = false
  }
  return (asked) =>
    new Promise((resolve, reject) => {
      waiting.push({ asked, resolve, reject })
      if (!underWay) void sendWaiting()
    })
}
