/** Others get so long to notice that what was taken away is back; a dead instance's answers 30 s. */
const AFTERMATH_MS = 40_000

/** In the place of a status: the connection broke before there was one. */
export const BROKEN = 0
/** In the place of a status: a stream that did not come to its good end, however often followed. */
export const CUT = 1

/** What a disturbance makes understandable: statuses, `BROKEN` or `CUT`. */
export type Explains = ReadonlySet<number>

/** What happened, and which failures are explained by what was done to Parley at the time. */
export type Diary = {
  disturb(what: string, explains: Explains, act: () => Promise<void>): Promise<void>
  /** @param status or `BROKEN` or `CUT` */
  note(operation: string, status: number, detail?: string): void
  /** Since it was last asked. */
  counts(): string
  summary(): string
  unexplained(): number
}

export function createDiary(): Diary {
  const current = new Map<string, Explains>()
  const totals = new Map<string, number>()
  const failures = new Map<string, number>()
  let calls = 0
  let explained = 0
  let unexplained = 0
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
  return {
    async disturb(what, explains, act) {
      console.log(`        ${what}`)
      current.set(what, explains)
      await act()
      setTimeout(() => current.delete(what), AFTERMATH_MS).unref()
    },
    note(operation, status, detail = '') {
      calls += 1
      count(totals, `${operation} ${status}`)
      if (status >= 200 && status < 300) return
      const because = [...current].find(([, explains]) => explains.has(status))?.[0]
      if (because !== undefined) {
        explained += 1
        count(failures, `${because}: ${operation} ${status}`)
        return
      }
      unexplained += 1
      console.error(`UNEXPLAINED ${operation} ${status} ${detail.slice(0, 300)}`)
    },
    counts() {
      const text = `${String(calls).padStart(6)} calls, ${explained} explained failures, ${unexplained} unexplained`
      calls = 0
      explained = 0
      return text
    },
    summary() {
      const lines = (map: Map<string, number>) =>
        [...map].sort().map(([key, times]) => `  ${key}: ${times}`)
      return ['Calls:', ...lines(totals), 'Explained failures:', ...lines(failures)].join('\n')
    },
    unexplained: () => unexplained,
  }
}
