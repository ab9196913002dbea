import { cpus, loadavg } from 'node:os'
import { administer } from './database.ts'

/** Where and how it was measured. */
export type Machine = {
  /** The day. */
  at: string
  node: string
  processor: string
  cores: number
  /** Processes that wanted to run in the minute before. */
  loadBefore: number
  postgres?: string
}

/** Asked before anything is begun: afterwards the load is our own. */
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
