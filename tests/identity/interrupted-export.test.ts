import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'
import { idOf } from './accounts.ts'
import {
  PAGE_SIZE,
  failAsUnavailable,
  insertConversations,
  insertMessages,
  server,
  testStore,
  watched,
} from './own-data.given.ts'

describe('an interrupted export', () => {
  /** Creates a user with more than sockets buffer: 20 pages of 200 messages of 8 kB. */
  async function createUserWithLongConversation() {
    const alice = await server.createUser()
    const [conversationId] = await insertConversations(await idOf(alice), 1)
    await insertMessages(conversationId!, 20 * PAGE_SIZE, 'a'.repeat(8_000))
    return { alice, path: { conversationId: conversationId! } }
  }

  /** Requests an export, and reads nothing of it until the socket is resumed. */
  async function openUnreadExport(client: Client, path: { conversationId: string }) {
    const url = new URL(client.urlOf('exportConversation', { path }))
    const socket = connect({ port: Number(url.port), host: url.hostname })
    await once(socket, 'connect')
    socket.pause()
    const headers = { ...client.credentials, Host: url.host, Connection: 'close' }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n`)
    return socket
  }

  const pagesRead = () => watched.calls.filter((name) => name === 'messages.list').length
  const countHangUps = () =>
    server
      .logLines()
      .filter(({ operationId, hungUp }) => operationId === 'exportConversation' && hungUp).length

  test('waits for a reader that reads nothing, and stops when the reader disconnects', async () => {
    const { alice, path } = await createUserWithLongConversation()
    const [pagesBefore, hangUpsBefore, timers] = [pagesRead(), countHangUps(), server.clock.pending]
    const socket = await openUnreadExport(alice, path)
    await until(() => server.clock.pending > timers)
    expect(pagesRead() - pagesBefore).toBeLessThan(20)

    socket.destroy()

    await until(() => countHangUps() > hangUpsBefore)
    await until(() => server.clock.pending === timers)
    expect(pagesRead() - pagesBefore).toBeLessThan(20)
  })

  test('reads no further page when the reader disconnects while one is read', async () => {
    const { alice, path } = await createUserWithLongConversation()
    const held = createDeferred<undefined>()
    const [hangUpsBefore, timers] = [countHangUps(), server.clock.pending]
    const restore = watched.instead('messages.list', async (real) => {
      await held.promise
      return real()
    })
    const pagesBefore = pagesRead()

    const socket = await openUnreadExport(alice, path)
    await until(() => pagesRead() > pagesBefore)
    socket.destroy()
    await until(() => countHangUps() > hangUpsBefore)
    held.resolve(undefined)
    // Leaves the handler the time of two queries to read another page.
    await testStore.store.ping()
    await testStore.store.ping()
    restore()

    expect([pagesRead() - pagesBefore, server.clock.pending]).toEqual([1, timers])
  })

  test('is cut when the reader reads nothing for 30 s', async () => {
    const { alice, path } = await createUserWithLongConversation()
    const [hangUpsBefore, timers] = [countHangUps(), server.clock.pending]
    const socket = await openUnreadExport(alice, path)
    await until(() => server.clock.pending > timers)

    // Data that the sockets still buffer restarts the 30 s.
    await until(async () => {
      await server.clock.advance(30_000)
      return countHangUps() > hangUpsBefore
    })

    let text = ''
    socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
    const closed = once(socket, 'close')
    socket.on('error', () => undefined).resume()
    await closed
    expect(text).toContain('"type":"conversation"')
    expect(text).not.toContain('"type":"end"')
    await until(() => server.clock.pending === timers)
  })

  test('is cut without the end record when the database becomes unavailable', async () => {
    const { alice, path } = await createUserWithLongConversation()
    let pages = 0
    const restore = watched.instead('messages.list', (real) => {
      pages += 1
      return pages === 3 ? failAsUnavailable() : real()
    })
    const response = await fetch(alice.urlOf('exportConversation', { path }), {
      headers: alice.credentials,
    })

    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const reading = (async () => {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        text += read.value
      }
    })()

    await expect(reading.finally(restore)).rejects.toThrow('terminated')
    expect(text).toContain('"type":"message"')
    expect(text).not.toContain('"type":"end"')
  })

  test('returns 503 when the database is unavailable at its start', async () => {
    const alice = await server.createUser()
    const restore = watched.instead('accounts.find', failAsUnavailable)

    const response = await send(alice.urlOf('exportAccount'), { headers: alice.credentials })
    restore()

    expect([response.status, response.problem().code]).toEqual([503, 'unavailable'])
  })
})
