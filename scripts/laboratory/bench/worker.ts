import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package-root.ts'

/** A separate process, whose processor time counts for no server. */
export type Worker = {
  /** Sends a question and resolves with the result; one at a time. @throws the error of the worker */
  ask: (question: object) => Promise<unknown>
  stop: () => void
}

/** @param program a file of this repository, from its root, that calls `answerQuestions` */
export function startWorker(program: string): Worker {
  const child = fork(join(packageRoot, program))
  const gone = once(child, 'exit').then(() => {
    throw new Error(`${program} has ended.`)
  })
  gone.catch(() => undefined)
  return {
    async ask(question) {
      const said = once(child, 'message')
      child.send(question)
      const [answer] = (await Promise.race([said, gone])) as [{ error?: string; done?: unknown }]
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer.done
    },
    stop: () => {
      child.kill()
    },
  }
}

/** The side of the worker, which exits with the process that started it. */
export function answerQuestions(answer: (question: never) => Promise<unknown>): void {
  process.on('message', (question) => {
    answer(question as never).then(
      (done) => process.send!({ done }),
      (error: unknown) => process.send!({ error: String(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
}
