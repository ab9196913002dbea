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
  /** Sends new connections to another server. */
  redirect(serverUrl: string): void
  /** The number of connections closed on data in the state `broken`. */
  losses(): number
  close(): void
}

/** Opens a proxy on a free port. */
export async function openFaultyProxy(serverUrl: string): Promise<FaultyProxy> {
  const sockets = new Set<Socket>()
  const line = { state: 'open' as State, target: new URL(serverUrl), losses: 0 }
  const closeAll = () => sockets.forEach((socket) => socket.destroy())
  const server = createServer((near) => {
    if (line.state === 'cut') near.destroy()
    else if (line.state === 'broken') closeOnData(near, () => (line.losses += 1))
    else relay(near, line, sockets)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(serverUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    set(state) {
      line.state = state
      if (state === 'cut' || state === 'broken') closeAll()
    },
    redirect(to) {
      line.target = new URL(to)
    },
    losses: () => line.losses,
    close() {
      closeAll()
      server.close()
    },
  }
}

function closeOnData(socket: Socket, onLoss: () => void): void {
  socket.on('error', () => undefined)
  socket.once('data', () => {
    onLoss()
    socket.destroy()
  })
}

/** Connects to the target and copies data both ways while the line is open. */
function relay(near: Socket, line: { state: State; target: URL }, sockets: Set<Socket>): void {
  const far = connect(Number(line.target.port), line.target.hostname)
  const copy = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (chunk) => line.state === 'open' && to.write(chunk))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  copy(near, far)
  copy(far, near)
}
