import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** The way to a server, for tests to break. */
export type WireCutter = {
  /** The given URL, by this way. */
  url: string
  /** `silent`: what is sent arrives nowhere. `cut`: nobody is connected, and nobody can connect. */
  set(state: 'open' | 'silent' | 'cut'): void
  close(): void
}

export async function openWireCutter(serverUrl: string): Promise<WireCutter> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let state: 'open' | 'silent' | 'cut' = 'open'
  const server = createServer((near) => {
    if (state === 'cut') {
      near.destroy()
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
      if (state === 'cut') hangUp()
    },
    close() {
      hangUp()
      server.close()
    },
  }
}
