import { cpus, loadavg } from 'node:os'
import { administer } from './database.ts'

/** The machine of the run. */
export type Machine = {
  /** The day. */
  at: string
  node: string
  processor: string
  cores: number
  /** The load average of the minute before the run. */
  loadBefore: number
  postgres?: string
}

/** Call it before the run: afterwards, the load is the bench's own. */
export async function describeMachine(databaseUrl: string | undefined): Promise<Machine> {
  const [first] = cpus()
  const at = new Date().toISOString().slice(0, 10)
  const processor = first?.model.trim() ?? 'an unknown processor'
  const cores = cpus().length
  const about = { at, node: process.version.slice(1), processor, cores, loadBefore: loadavg()[0]! }
  const rows = databaseUrl === undefined ? [] : await administer(databaseUrl, 'SHOW server_version')
  const version = rows[0]?.['server_version']
  return { ...about, ...(typeof version === 'string' && { postgres: version }) }
}
