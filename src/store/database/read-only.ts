import type pg from 'pg'
import { READ_ONLY } from './session.ts'

/**
 * Once a server says that nothing can be written, as after a failover, no earlier connection is used again.
 * New ones are refused while that lasts: so no call reads stale data, and the first call after the
 * promotion succeeds.
 */
export function retireWhenReadOnly(pool: pg.Pool): void {
  const known = new Set<pg.PoolClient>()
  const retired = new WeakSet<pg.PoolClient>()

  const retire = (): void => {
    for (const client of known) retired.add(client)
    known.clear()
    // The pool closes an idle connection that is taken and released with `true`.
    for (let idle = pool.idleCount; idle > 0; idle -= 1) {
      pool.connect().then(
        (client) => client.release(true),
        () => {},
      )
    }
  }
  pool.on('connect', (client) => {
    known.add(client)
    client.connection.on('errorMessage', ({ code }: { code?: string }) => {
      if (code === READ_ONLY && known.has(client)) retire()
    })
  })
  pool.on('release', (_error, client) => {
    // The pool removes a client that has ended.
    if (retired.has(client)) void client.end()
  })
  pool.on('remove', (client) => known.delete(client))
}
