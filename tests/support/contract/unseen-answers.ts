import type { AnswerName } from './declared-answers.ts'

/** Answers that no test can bring about, each with its reason. This list may only shrink. */
export const UNSEEN: Readonly<Record<AnswerName, string>> = {}
