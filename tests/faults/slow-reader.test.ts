import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

/** One frame for each character: some megabytes, far more than the sockets hold. */
const LONG_ANSWER = 'a'.repeat(65_000)
/** What the server may buffer for one reader. */
const MOST_BUFFERED_BYTES = 256 * 1024

const engine = createManualEngine()
let server: TestServer
const accepted: Socket[] = []
beforeAll(async () => {
  server = await startServer({ replacements: { deps: { engine } } })
  server.parley.server.on('connection', (socket) => accepted.push(socket))
})
afterAll(() => server.close())

/** Opens a stream that is not read until `resume`; returns it with the server's end of its connection. */
async function openUnreadStream(client: Client) {
  const url = new URL(client.urlOf('streamMessage'))
  const socket = connect({ port: Number(url.port), host: url.hostname })
  await once(socket, 'connect')
  socket.pause()
  const body = JSON.stringify({ message: 'Hi' })
  const headers = { ...client.credentials, 'Content-Type': 'application/json', Host: url.host }
  const lines = Object.entries({ ...headers, 'Content-Length': body.length, Connection: 'close' })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`POST ${url.pathname} HTTP/1.1\r\n${head}\r\n${body}`)
  const turn = await engine.next()
  const atServer = accepted.find(({ remotePort }) => remotePort === socket.localPort)!
  return { socket, turn, atServer }
}

async function getAnswer(client: Client) {
  const { body } = await client.expect(200, 'listConversations')
  const path = { conversationId: body.data[0]!.id }
  const conversation = await client.expect(200, 'getConversation', { path })
  return conversation.body.messages.at(-1)!
}

const isComplete = async (client: Client) => (await getAnswer(client)).status === 'complete'

describe('a reader who reads nothing', () => {
  test('delays no answer, fills no memory, and gets the whole answer when it reads on', async () => {
    const alice = await server.createUser()
    const { socket, turn, atServer } = await openUnreadStream(alice)
    for (const character of LONG_ANSWER) turn.say(character)
    turn.end()
    await until(() => isComplete(alice), 20_000)
    // The server writes in turns of the event loop, until the socket takes no more.
    await until(() => atServer.writableLength > 0, 20_000)

    expect(atServer.writableLength).toBeLessThan(MOST_BUFFERED_BYTES)

    let raw = ''
    socket.setEncoding('utf8').on('data', (piece: string) => (raw += piece))
    socket.resume()
    await once(socket, 'end')
    const texts = raw.matchAll(/^data: (\{"type":"message\.delta".*\})$/gm)
    const said = Array.from(texts, ([, json]) => (JSON.parse(json!) as { text: string }).text)
    expect(said.join('')).toBe(LONG_ANSWER)
    expect(raw.match(/^event: message\.(end|error|cancelled)$/gm)).toEqual(['event: message.end'])
  }, 60_000)

  test('is disconnected after 30 s, and the answer is stored', async () => {
    const alice = await server.createUser()
    const { socket, turn, atServer } = await openUnreadStream(alice)
    for (const character of LONG_ANSWER) turn.say(character)
    turn.end()
    await until(() => isComplete(alice), 20_000)

    await server.clock.advance(29_999)

    expect(atServer.destroyed).toBe(false)

    // Bytes that the sockets still take restart the 30 s.
    await until(async () => {
      await server.clock.advance(10_000)
      return atServer.destroyed
    })
    expect((await getAnswer(alice)).content).toBe(LONG_ANSWER)

    socket.destroy()
  }, 60_000)
})

describe('a reader whose progress only the operating system sees', () => {
  test('is not disconnected while it reads, and is disconnected 30 s after it stopped', async () => {
    let unreadBytes = 10_000_000
    const unacknowledged = (sockets: readonly Socket[]) =>
      new Map(sockets.map((socket) => [socket, unreadBytes]))
    const patient = await startServer({ replacements: { deps: { engine }, unacknowledged } })
    patient.parley.server.on('connection', (socket) => accepted.push(socket))
    const { socket, turn, atServer } = await openUnreadStream(await patient.createUser())
    for (const character of LONG_ANSWER) turn.say(character)
    turn.end()
    await until(() => atServer.writableNeedDrain)

    for (let minutes = 0; minutes < 10; minutes += 0.5) {
      unreadBytes -= 1
      await patient.clock.advance(30_000)
    }

    expect(atServer.destroyed).toBe(false)

    await patient.clock.advance(40_000)
    expect(atServer.destroyed).toBe(true)

    socket.destroy()
    await patient.close()
  }, 60_000)
})

describe('a stream without events', () => {
  test('is kept open by a comment every 15 s', async () => {
    const alice = await server.createUser()
    const url = alice.urlOf('streamMessage')
    const headers = { ...alice.credentials, 'Content-Type': 'application/json' }
    const body = JSON.stringify({ message: 'Hi' })
    const answering = fetch(url, { method: 'POST', headers, body })
    const turn = await engine.next()
    turn.say('Hello')
    const reader = (await answering).body!.pipeThrough(new TextDecoderStream()).getReader()
    let raw = ''
    while (!raw.includes('message.delta')) raw += (await reader.read()).value!

    for (let comments = 0; comments < 3; comments += 1) {
      await server.clock.advance(14_999)
      await server.clock.advance(1)
      expect((await reader.read()).value).toBe(': keepalive\n')
    }

    turn.end()
    let rest = ''
    for (let read = await reader.read(); !read.done; read = await reader.read()) rest += read.value
    expect(rest).toMatch(/^event: message\.end\n/)
  })

  test('leaves no timer behind after its end', async () => {
    const alice = await server.createUser()
    const before = server.clock.pending
    const { turn, stream } = await openManualStream(engine, alice)
    expect(server.clock.pending).toBeGreaterThan(before)

    turn.end()
    await stream.rest()
    await until(() => server.clock.pending === before)
  })
})
