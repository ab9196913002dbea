import { readFile, writeFile } from 'node:fs/promises'

const KB_OF_MB = 1_024

/** Returns the resident memory of a process in MB. Linux: proc(5). */
export function residentMb(pid: number): Promise<number> {
  return statusMb(pid, 'VmRSS')
}

/** Returns the peak of resident memory since `resetPeak`, in MB. */
export function peakMb(pid: number): Promise<number> {
  return statusMb(pid, 'VmHWM')
}

export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}

/** Returns how many files, sockets included, a child process may have open. */
export async function mostDescriptors(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  // Node raises the soft limit to the hard one when it starts.
  const hard = /Max open files +\S+ +(\S+)/.exec(limits)?.[1]
  return hard === 'unlimited' ? Infinity : Number(hard)
}

async function statusMb(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kb = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]
  if (kb === undefined) throw new Error(`Linux does not tell ${field}.`)
  return Number(kb) / KB_OF_MB
}
