/** How long a disturbance may still cause failures: the lease of a killed instance lasts 30 s. */
const AFTERMATH_MS = 40_000

/** Recorded instead of a status: the connection broke before a response. */
export const BROKEN = 0
/** Recorded instead of a status: a stream did not end with `message.end`, not even when resumed. */
export const CUT = 1

/** The failures that a disturbance explains: statuses, `BROKEN` or `CUT`. */
export type Explains = ReadonlySet<number>

/** Records every call, and which failures the disturbances at that time explain. */
export class Diary {
  readonly #current = new Map<string, Explains>()
  readonly #totals = new Map<string, number>()
  readonly #failures = new Map<string, number>()
  #calls = 0
  #explained = 0
  #unexplained = 0

  /** The disturbance explains failures while `act` runs and for 40 s afterwards. */
  async disturb(what: string, explains: Explains, act: () => Promise<void>): Promise<void> {
    console.log(`        ${what}`)
    this.#current.set(what, explains)
    await act()
    setTimeout(() => this.#current.delete(what), AFTERMATH_MS).unref()
  }

  /** @param status of the response, or `BROKEN` or `CUT` */
  note(operation: string, status: number, detail = ''): void {
    this.#calls += 1
    count(this.#totals, `${operation} ${status}`)
    if (status >= 200 && status < 300) return
    const reason = [...this.#current].find(([, explains]) => explains.has(status))?.[0]
    if (reason !== undefined) {
      this.#explained += 1
      count(this.#failures, `${reason}: ${operation} ${status}`)
      return
    }
    this.#unexplained += 1
    console.error(`UNEXPLAINED ${operation} ${status} ${detail.slice(0, 300)}`)
  }

  /** Describes the calls and explained failures since the last call of `counts`. */
  counts(): string {
    const text = `${String(this.#calls).padStart(6)} calls, ${this.#explained} explained failures, ${this.#unexplained} unexplained`
    this.#calls = 0
    this.#explained = 0
    return text
  }

  summary(): string {
    const [totals, failures] = [linesOf(this.#totals), linesOf(this.#failures)]
    return ['Calls:', ...totals, 'Explained failures:', ...failures].join('\n')
  }

  unexplained(): number {
    return this.#unexplained
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function linesOf(counts: Map<string, number>): string[] {
  return [...counts].sort().map(([key, times]) => `  ${key}: ${times}`)
}
