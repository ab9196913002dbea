import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createUserResources } from '../support/resources.ts'
import { idOf, logIn } from './accounts.ts'
import {
  type Kind,
  PAGE_SIZE,
  readExport,
  insertConversations,
  insertMessages,
  ofKind,
  prisma,
  server,
  watched,
} from './own-data.given.ts'

describe('GET /users/export', () => {
  test('returns every kind of record of the caller alone, in the order of the contract', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    await logIn(server, alice.identity)
    const bobs = await createUserResources(bob)
    const first = await createUserResources(alice)
    await createUserResources(alice)

    const records = await readExport(alice)

    const short: Partial<Record<Kind, string>> = { 'audit-event': 'a', end: 'E' }
    const order = records.map(({ type }) => short[type] ?? type[0]).join('')
    expect(order).toMatch(/^ps{2}(cm{2}){2}f{2}u{2}a+E$/)
    expect(records.at(-1)).toEqual({ type: 'end', records: records.length - 1 })
    const { body: profile } = await alice.expect(200, 'getProfile')
    expect(ofKind(records, 'profile')).toEqual([{ type: 'profile', profile }])
    const sessions = ofKind(records, 'session').map(({ session }) => session)
    expect(sessions.filter(({ current }) => current).map(({ id }) => id)).toEqual([
      alice.identity.sessionId,
    ])
    const text = JSON.stringify(records)
    for (const [name, id] of Object.entries(first)) {
      expect([name, text.includes(id)]).toEqual([name, true])
    }
    for (const id of [...Object.values(bobs), await idOf(bob)]) expect(text).not.toContain(id)
    const events = ofKind(records, 'audit-event').map(({ auditEvent }) => auditEvent)
    expect(events.map(({ event }) => event)).toEqual([
      'data.exported',
      'session.created',
      'session.created',
    ])
    expect(new Set(events.map(({ actor }) => actor?.id))).toEqual(new Set([profile.id]))
  })

  test('returns every record once over several pages, even if all have the same time', async () => {
    const alice = await server.createUser()
    const accountId = await idOf(alice)
    const ids = await insertConversations(accountId, PAGE_SIZE + 5)
    const [long, full] = ids as [string, string]
    await insertMessages(long, 2 * PAGE_SIZE + 50, 'Line ')
    await insertMessages(full, PAGE_SIZE, 'Line ')
    const at = server.clock.now()
    await prisma().usageRecord.createMany({
      data: ids.map((generationId) => ({ generationId, accountId, at, answered: 1 })),
    })
    const messages = await prisma().message.findMany({ where: { conversation: { id: long } } })
    await prisma().feedback.createMany({
      data: messages.map(({ id: messageId }) => ({
        ...{ id: randomUUID(), accountId, messageId, rating: 'up' as const, tags: [] },
        ...{ createdAt: at, updatedAt: at },
      })),
    })

    const records = await readExport(alice)

    const seen = ofKind(records, 'conversation').map(({ conversation }) => conversation.id)
    expect(seen.toSorted()).toEqual(ids.toSorted())
    expect(
      ofKind(records, 'usage')
        .map(({ usage }) => usage.generationId)
        .toSorted(),
    ).toEqual(ids.toSorted())
    expect(
      ofKind(records, 'feedback')
        .map(({ feedback }) => feedback.messageId)
        .toSorted(),
    ).toEqual(messages.map(({ id }) => id).toSorted())
    const start = records.findIndex(
      (one) => one.type === 'conversation' && one.conversation.id === long,
    )
    const lines = records.slice(start + 1, start + 1 + messages.length)
    expect(ofKind(lines, 'message').map(({ message }) => message.content)).toEqual(
      messages.map((_, i) => `Line ${String(i + 1)}`),
    )
    expect(ofKind(records, 'message')).toHaveLength(3 * PAGE_SIZE + 50)
    expect(records.at(-1)).toEqual({ type: 'end', records: records.length - 1 })
  })

  test('misses no conversation that changes during the export', async () => {
    const alice = await server.createUser()
    const accountId = await idOf(alice)
    const ids = await insertConversations(accountId, PAGE_SIZE + 5)
    // Before each page, all conversations change, and with them the order in which they are listed.
    const restore = watched.instead('messages.list', async (real) => {
      await server.clock.advance(1)
      const where = { ownerId: accountId }
      await prisma().conversation.updateMany({ where, data: { updatedAt: server.clock.now() } })
      return real()
    })

    const records = await readExport(alice).finally(restore)

    const seen = ofKind(records, 'conversation').map(({ conversation }) => conversation.id)
    expect(seen.toSorted()).toEqual(ids.toSorted())
  })

  test('ends although its owner keeps adding, and holds what existed at its start', async () => {
    const alice = await server.createUser()
    const said = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = said.body
    let left = 20
    const restore = watched.instead('messages.list', async (real) => {
      if (left === 0) return real()
      left -= 1
      await server.clock.advance(1)
      await alice.expect(201, 'createConversation', { body: {} })
      await alice.expect(200, 'sendMessage', { body: { message: 'More', conversationId } })
      return real()
    })

    const records = await readExport(alice).finally(restore)

    expect(ofKind(records, 'conversation').map(({ conversation }) => conversation.id)).toEqual([
      conversationId,
    ])
    expect(ofKind(records, 'message').map(({ message }) => message.content)).toEqual([
      'Hello',
      said.body.message.content,
    ])
  })
})

describe('GET /conversations/{conversationId}/export', () => {
  test('writes one line for each record, even if the text holds line separators', async () => {
    const alice = await server.createUser()
    const message = 'one\u2028two\u2029three\u0085four\r\nfive\v\f\u001c'

    const { body } = await alice.expect(200, 'sendMessage', { body: { message } })

    for (const records of [await readExport(alice, body.conversationId), await readExport(alice)]) {
      expect(ofKind(records, 'message')[0]!.message.content).toBe(message)
    }
  })

  test('returns the conversation, its messages oldest first, and the number of records', async () => {
    const alice = await server.createUser()
    const { conversationId } = await createUserResources(alice)
    await createUserResources(alice)
    await alice.expect(200, 'sendMessage', {
      body: { message: 'And another.', conversationId: conversationId! },
    })

    const records = await readExport(alice, conversationId)

    const path = { conversationId: conversationId! }
    const { messages, ...conversation } = (await alice.expect(200, 'getConversation', { path }))
      .body

    expect(records).toEqual([
      { type: 'conversation', conversation },
      ...messages.map((message) => ({ type: 'message', message })),
      { type: 'end', records: 5 },
    ])
  })
})
