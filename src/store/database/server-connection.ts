import type { Socket } from 'node:net'
import pg from 'pg'
import type { PostgresUrl } from '../../ports/postgres-url/postgres-url.ts'

/** What node-postgres connects with. It takes what is absent from PGUSER and the like. */
export function connectionOptions(url: PostgresUrl): pg.ClientConfig {
  const { user, password, host, port, database, applicationName, options } = url
  const { when, isDirect, tls } = url.encryption
  return {
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(database !== undefined && { database }),
    ...(options !== undefined && { options }),
    ...(url.channelBinding === true && { enableChannelBinding: true }),
    application_name: applicationName ?? 'parley',
    ssl: when === 'never' ? false : { ...tls },
    sslnegotiation: isDirect ? 'direct' : 'postgres',
    keepAlive: true,
  }
}

/** The client of node-postgres; where the server decides on encryption, one that asks it. */
export function clientFor({ encryption }: PostgresUrl): typeof pg.Client {
  return encryption.when === 'ifOffered' ? AskingClient : pg.Client
}

class AskingClient extends pg.Client {
  constructor(options: pg.ClientConfig = {}) {
    super(options)
    // Not among the options: the pool hides the password in them, and a copy would lack it.
    Object.assign(this, { connection: askingConnection(options) })
  }
}

/** What `pg.Connection` has besides what its types say. */
type Connection = pg.Connection & {
  stream: Socket
  connect(port: number | string, host?: string): void
  attachListeners(stream: Socket): void
}

/** Where the server answers that it does not encrypt, node-postgres fails and libpq goes on. */
function askingConnection(options: pg.ClientConfig): pg.Connection {
  const connection = new pg.Connection(options) as Connection
  const connect = connection.connect.bind(connection)
  connection.connect = (port, host) => {
    connect(port, host)
    goOnWithout(connection)
  }
  return connection
}

/** Reads the answer in the place of the one listener that `connect` has set. */
function goOnWithout(connection: Connection): void {
  const { stream } = connection
  const [encrypt] = stream.listeners('data') as [(answer: Buffer) => void]
  stream.removeAllListeners('data')
  stream.once('data', (answer: Buffer) => {
    if (answer.toString('latin1') !== 'N') {
      encrypt(answer)
      return
    }
    connection.attachListeners(stream)
    connection.emit('sslconnect')
  })
}
