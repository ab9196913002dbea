import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

type State = 'open' | 'silent' | 'cut' | 'broken'

/** A TCP proxy in front of a server, which a test can break. */
export type FaultyProxy = {
  /** The URL of the server, through the proxy. */
  url: string
  /**
   * `silent`: data is dropped. `cut`: connections are closed and new ones are refused. `broken`:
   * connections are closed; a new connection opens and closes as soon as the client sends data.
   */
  set(state: State): void
  /** Leads new connections to another server. */
  lead(serverUrl: string): void
  /** The number of connections closed on data in the state `broken`. */
  losses(): number
  close(): void
}

export async function openFaultyProxy(serverUrl: string): Promise<FaultyProxy> {
  let target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let state: State = 'open'
  let losses = 0
  const server = createServer((near) => {
    if (state === 'cut') {
      near.destroy()
      return
    }
    if (state === 'broken') {
      near.on('error', () => undefined)
      near.once('data', () => {
        losses += 1
        near.destroy()
      })
      return
    }
    const far = connect(Number(target.port), target.hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (chunk) => state === 'open' && to.write(chunk))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(serverUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  const hangUp = () => sockets.forEach((socket) => socket.destroy())
  return {
    url: url.href,
    set(next) {
      state = next
      if (state === 'cut' || state === 'broken') hangUp()
    },
    lead(to) {
      target = new URL(to)
    },
    losses: () => losses,
    close() {
      hangUp()
      server.close()
    },
  }
}
