import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package-root.ts'

/** A process of its own: what it costs is in nobody's processor time. */
export type Worker = {
  /** One question at a time. @throws what the worker could not do */
  ask(question: object): Promise<unknown>
  stop(): void
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

/** The worker's side: it lives for as long as whoever asks it. */
export function answerQuestions(answer: (question: never) => Promise<unknown>): void {
  process.on('message', (question) => {
    answer(question as never).then(
      (done) => process.send!({ done }),
      (error: unknown) => process.send!({ error: String(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
}
