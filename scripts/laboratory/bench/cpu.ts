import { readFile } from 'node:fs/promises'

/** Linux counts the time of processes in hundredths of a second, whatever its clock ticks at. */
const TICKS_A_SECOND = 100
/** Field numbers of /proc/<pid>/stat, counted after the name, which may contain spaces: proc(5). */
const UTIME = 11
const STIME = 12

/** Returns the processor time, user and system, of a process and its running children, in seconds. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const own = (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_A_SECOND
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  const pids = children.split(' ').filter(Boolean).map(Number)
  const theirs = await Promise.all(pids.map(cpuSeconds))
  return theirs.reduce((sum, seconds) => sum + seconds, own)
}
