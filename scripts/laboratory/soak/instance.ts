import type { ParleyProcess, Workplace } from '../../../tests/support/process/process.ts'
import { readMetrics } from '../../../tests/support/observability/metrics.ts'
import { freePort } from '../../../tests/support/wire/free-port.ts'

const SAMPLE_MS = 2_000
const NOTHING_SEEN = { heapMb: Infinity, residentMb: 0, descriptors: 0 }
const MB = 1024 * 1024

/** One of the processes under load, and the processes that replace it at the same address. */
export type Instance = {
  url(): string
  /** Sends the signal, and starts a new process after the old one has exited. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /**
   * Describes what the process used since the last call: the smallest heap, which is what a garbage
   * collection leaves, and the largest resident memory and number of descriptors.
   */
  usage(): Promise<string>
}

/** @param env includes a PORT of its own */
export async function createInstance(
  workplace: Workplace,
  env: Record<string, string>,
): Promise<Instance> {
  const metricsPort = String(await freePort())
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`
  const start = () => workplace.start({ ...env, METRICS_PORT: metricsPort })
  let parley: ParleyProcess = await start()
  let starts = 1
  let seen = NOTHING_SEEN
  const sample = async () => {
    const { value } = await readMetrics(metricsUrl)
    seen = {
      heapMb: Math.min(seen.heapMb, value('parley_nodejs_heap_size_used_bytes') / MB),
      residentMb: Math.max(seen.residentMb, value('parley_process_resident_memory_bytes') / MB),
      descriptors: Math.max(seen.descriptors, value('parley_process_open_fds')),
    }
  }
  // During a restart there is no process to read from.
  setInterval(() => void sample().catch(() => undefined), SAMPLE_MS).unref()
  return {
    url: () => parley.url,
    async restart(signal) {
      parley.signal(signal)
      await parley.exited
      parley = await start()
      starts += 1
    },
    async usage() {
      await sample().catch(() => undefined)
      const { heapMb, residentMb, descriptors } = seen
      seen = NOTHING_SEEN
      return `[life ${starts}: heap ${heapMb.toFixed(1)} MB, resident ${residentMb.toFixed(0)} MB, ${descriptors} descriptors]`
    },
  }
}
