import type { AnswerInProgress } from './answer-in-progress.ts'

/** The answers that this instance makes at this moment, by the id of their generation. */
export class AnswersInProgress {
  readonly #answers = new Map<string, AnswerInProgress>()

  /** Holds the answer until it has ended. */
  add(answer: AnswerInProgress): void {
    this.#answers.set(answer.id, answer)
    void answer.ended.then(() => this.#answers.delete(answer.id))
  }

  find(id: string): AnswerInProgress | undefined {
    return this.#answers.get(id)
  }

  all(): AnswerInProgress[] {
    return [...this.#answers.values()]
  }

  get count(): number {
    return this.#answers.size
  }

  /** Resolves when none is left, those included that start in the meantime. */
  async settled(): Promise<void> {
    while (this.count > 0) await Promise.all(this.all().map(({ ended }) => ended))
  }
}
