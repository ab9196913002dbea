import type { ParleyProcess, Workplace } from '../../../tests/support/process/process.ts'
import { readMetrics } from '../../../tests/support/observability/metrics.ts'
import { freePort } from '../../../tests/support/wire/free-port.ts'

const SAMPLE_MS = 2_000
const MB = 1024 * 1024

/** One of the processes under load, and its successors at the same address. */
export type Instance = {
  url(): string
  /** Ends it, and starts another when it has ended. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** What it held since it was last asked: the least heap (what a collection leaves), the most of others. */
  held(): Promise<string>
}

/** @param env with its own PORT */
export async function createInstance(
  workplace: Workplace,
  env: Record<string, string>,
): Promise<Instance> {
  const metricsPort = String(await freePort())
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`
  const start = () => workplace.start({ ...env, METRICS_PORT: metricsPort })
  let parley: ParleyProcess = await start()
  let lives = 1
  let seen = { heapMb: Infinity, residentMb: 0, descriptors: 0 }
  const look = async () => {
    const { value } = await readMetrics(metricsUrl)
    seen = {
      heapMb: Math.min(seen.heapMb, value('parley_nodejs_heap_size_used_bytes') / MB),
      residentMb: Math.max(seen.residentMb, value('parley_process_resident_memory_bytes') / MB),
      descriptors: Math.max(seen.descriptors, value('parley_process_open_fds')),
    }
  }
  // While it is restarted there is nobody to ask.
  setInterval(() => void look().catch(() => undefined), SAMPLE_MS).unref()
  return {
    url: () => parley.url,
    async restart(signal) {
      parley.signal(signal)
      await parley.exited
      parley = await start()
      lives += 1
    },
    async held() {
      await look().catch(() => undefined)
      const { heapMb, residentMb, descriptors } = seen
      seen = { heapMb: Infinity, residentMb: 0, descriptors: 0 }
      return `[life ${lives}: heap ${heapMb.toFixed(1)} MB, resident ${residentMb.toFixed(0)} MB, ${descriptors} descriptors]`
    },
  }
}
