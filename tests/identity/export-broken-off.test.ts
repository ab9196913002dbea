import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'
import {
  PAGE,
  away,
  givenConversations,
  givenMessages,
  idOf,
  server,
  testStore,
  watched,
} from './own-data.given.ts'

describe('an export that does not come to its end', () => {
  /** An account with more than any socket holds: 20 pages of 200 messages of 8 kB. */
  async function withMuch() {
    const alice = await server.createUser()
    const [conversationId] = await givenConversations(await idOf(alice), 1)
    await givenMessages(conversationId!, 20 * PAGE, 'a'.repeat(8_000))
    return { alice, path: { conversationId: conversationId! } }
  }

  /** A reader that takes nothing until it resumes. */
  async function openUnread(client: Client, path: { conversationId: string }) {
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
  const hungUp = () =>
    server
      .logLines()
      .filter(({ operationId, hungUp: gone }) => operationId === 'exportConversation' && gone)
      .length

  test('waits for a reader who does not read, and stops reading when the reader hangs up', async () => {
    const { alice, path } = await withMuch()
    const [pagesBefore, goneBefore, timers] = [pagesRead(), hungUp(), server.clock.pending]
    const socket = await openUnread(alice, path)
    await until(() => server.clock.pending > timers)
    const waiting = pagesRead()
    expect(waiting - pagesBefore).toBeLessThan(20)

    socket.destroy()
    await until(() => hungUp() > goneBefore)
    await until(() => server.clock.pending === timers)
    expect(pagesRead() - pagesBefore).toBeLessThan(20)
  })

  test('is over at once for a reader who hangs up while a page is read', async () => {
    const { alice, path } = await withMuch()
    const held = createDeferred<undefined>()
    const [goneBefore, timers] = [hungUp(), server.clock.pending]
    const over = watched.instead('messages.list', async (real) => {
      await held.promise
      return real()
    })
    const pagesBefore = pagesRead()
    const socket = await openUnread(alice, path)
    await until(() => pagesRead() > pagesBefore)
    socket.destroy()
    await until(() => hungUp() > goneBefore)
    held.resolve(undefined)
    // Everything that the handler still does is done by the next answer of the database.
    await testStore.store.ping()
    await testStore.store.ping()

    over()

    expect([pagesRead() - pagesBefore, server.clock.pending]).toEqual([1, timers])
  })

  test('is cut for a reader who takes nothing for 30 s', async () => {
    const { alice, path } = await withMuch()
    const [goneBefore, timers] = [hungUp(), server.clock.pending]
    const socket = await openUnread(alice, path)
    await until(() => server.clock.pending > timers)
    // What the sockets still take on the way starts the 30 s anew.
    await until(async () => {
      await server.clock.advance(30_000)
      return hungUp() > goneBefore
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

  test('is cut when the database goes away, and never looks complete', async () => {
    const { alice, path } = await withMuch()
    let pages = 0
    const over = watched.instead('messages.list', (real) => {
      pages += 1
      return pages === 3 ? away() : real()
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

    await expect(reading.finally(over)).rejects.toThrow('terminated')
    expect(text).toContain('"type":"message"')
    expect(text).not.toContain('"type":"end"')
  })

  test('is a problem when the database is away before it begins', async () => {
    const alice = await server.createUser()
    const over = watched.instead('accounts.find', away)
    const answer = await send(alice.urlOf('exportAccount'), { headers: alice.credentials })

    over()

    expect([answer.status, answer.problem().code]).toEqual([503, 'unavailable'])
  })
})
