import { readFileSync, readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'

/**
 * How many bytes each connection has sent that its other end has not acknowledged. A connection that
 * is missing is unknown: only Linux reports them.
 */
export type Unacknowledged = (sockets: readonly Socket[]) => ReadonlyMap<Socket, number>

/** IPv4, and IPv6 with the connections of dual-stack sockets. */
const TABLES = ['/proc/self/net/tcp', '/proc/self/net/tcp6']
/** Columns of proc_net_tcp(5): sl, local, remote, state, tx:rx, timer, retransmits, uid, timeout, inode. */
const QUEUES = 4
const INODE = 9

/**
 * The send queues of the system. What a process has written may stay there for long: they take
 * megabytes for a slow reader before the process is told to stop writing.
 */
export const sendQueues: Unacknowledged = (sockets) => {
  const wanted = new Map<string, Socket>()
  for (const socket of sockets) {
    const inode = inodeOf(socket)
    if (inode !== undefined) wanted.set(inode, socket)
  }
  const found = new Map<Socket, number>()
  if (wanted.size > 0) for (const table of TABLES) readQueues(table, wanted, found)
  return found
}

function readQueues(
  table: string,
  wanted: ReadonlyMap<string, Socket>,
  found: Map<Socket, number>,
): void {
  for (const line of textOf(table).split('\n')) {
    const columns = line.trim().split(/ +/)
    const socket = wanted.get(columns[INODE] ?? '')
    if (socket) found.set(socket, Number.parseInt(columns[QUEUES]!, 16))
  }
}

function inodeOf(socket: Socket): string | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null }
  if (handle?.fd === undefined) return undefined
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${handle.fd}`))?.[1]
  } catch {
    return undefined
  }
}

/** Empty where the system has no such table. */
function textOf(table: string): string {
  try {
    return readFileSync(table, 'latin1')
  } catch {
    return ''
  }
}
