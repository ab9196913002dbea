import type { ChildProcess } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

const START_LIMIT_MS = 120_000

/** Resolves when the server lists its models. @throws if it exits first, or after two minutes */
export async function untilItAnswers(
  url: string,
  child: ChildProcess,
  key?: string,
): Promise<void> {
  const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` }
  const deadline = performance.now() + START_LIMIT_MS
  while (child.exitCode === null && performance.now() < deadline) {
    const answer = await fetch(`${url}/models`, { headers }).catch(() => undefined)
    if (answer?.status === 200) return
    await pause(200)
  }
  throw new Error(`${url} did not respond`)
}
