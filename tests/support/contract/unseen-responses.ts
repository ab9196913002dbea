import type { ResponseName } from './declared-responses.ts'

/** Responses that no test can provoke, each with its reason. This list may only shrink. */
export const UNSEEN: Readonly<Record<ResponseName, string>> = {}
