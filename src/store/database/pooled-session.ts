import pg from 'pg'
import { type SessionSettings, SET_TRANSACTION } from './session-settings.ts'

type Callback = (error: Error | undefined, result?: unknown) => void

/** What pg calls on a query, and its types leave out. */
type Answering = pg.Query & {
  callback?: Callback
  queryMode?: string
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: pg.Connection): void
}

/**
 * Behind a pooler, each transaction may run in another session, which other clients use before and after.
 * Therefore every transaction sets what it relies on: the settings travel with its first statement, in the
 * same round trip. Statements have no names, which a pooler may not know in the next session.
 */
export function setEachTransaction(client: pg.ClientBase, settings: SessionSettings): void {
  const set = JSON.stringify(settings)
  const send = client.query.bind(client) as unknown as (query: pg.Query) => void
  const query = (config: string | pg.QueryConfig, values?: unknown[], callback?: Callback) => {
    const asked = new pg.Query(nameless(config), values) as Answering
    const submit = asked.submit.bind(asked)
    asked.submit = (connection) => {
      if (client.getTransactionStatus() === 'I') sendAhead(asked, set, connection, submit)
      else submit(connection)
    }
    return answerOf(asked, send, callback)
  }
  client.query = query as unknown as typeof client.query
}

function nameless(config: string | pg.QueryConfig): pg.QueryConfig {
  return typeof config === 'string' ? { text: config } : { ...config, name: '' }
}

function answerOf(
  asked: Answering,
  send: (query: pg.Query) => void,
  callback: Callback | undefined,
): Promise<unknown> | undefined {
  if (callback) {
    asked.callback = callback
    send(asked)
    return undefined
  }
  return new Promise((resolve, reject) => {
    asked.callback = (error, result) => {
      if (error) reject(error)
      else resolve(result)
    }
    send(asked)
  })
}

/** All that PostgreSQL receives before the next Sync is one transaction. */
function sendAhead(
  asked: Answering,
  settings: string,
  connection: pg.Connection,
  submit: (connection: pg.Connection) => void,
): void {
  skipFirstAnswer(asked)
  // A simple query ends the transaction that is open before it.
  asked.queryMode = 'extended'
  connection.stream.cork()
  connection.parse({ name: '', text: SET_TRANSACTION, types: [] }, true)
  connection.bind({ values: [settings] }, true)
  connection.execute({}, true)
  submit(connection)
  connection.stream.uncork()
}

function skipFirstAnswer(asked: Answering): void {
  let skipped = false
  const handleDataRow = asked.handleDataRow.bind(asked)
  const handleCommandComplete = asked.handleCommandComplete.bind(asked)
  asked.handleDataRow = (message) => {
    if (skipped) handleDataRow(message)
  }
  asked.handleCommandComplete = (message, connection) => {
    if (skipped) handleCommandComplete(message, connection)
    skipped = true
  }
}
