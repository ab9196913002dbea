/** What somebody asks a store, and waits for. */
export type Question<Asked, Answer> = {
  asked: Asked
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

/** Never fails: whoever asked is told. */
export async function deliver<Asked, Answer>(
  questions: readonly Question<Asked, Answer>[],
  send: (asked: readonly Asked[]) => Promise<readonly Answer[]>,
): Promise<void> {
  try {
    const answers = await send(questions.map(({ asked }) => asked))
    questions.forEach(({ resolve }, i) => resolve(answers[i]!))
  } catch (error) {
    questions.forEach(({ reject }) => reject(error))
  }
}
