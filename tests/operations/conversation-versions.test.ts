import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Conversation } from '../../generated/api.ts'
import type { ApiRequest } from '../support/client.ts'
import { createConversation, pathOf, server } from './conversations.given.ts'

describe('PATCH /conversations/{conversationId}', () => {
  test('changes the sent properties and keeps the others', async () => {
    const alice = await server.createUser()
    const created = await createConversation(alice, { title: 'Before', mode: 'concise' })
    await server.clock.advance(1_000)
    const change = async (body: ApiRequest<'changeConversation'>['body']) =>
      (await alice.expect(200, 'changeConversation', { ...pathOf(created), body: body! })).body

    const pinned = await change({ pinned: true })
    const updatedAt = new Date(Date.parse(created.updatedAt) + 1_000).toISOString()

    expect(pinned).toEqual({ ...created, pinned: true, updatedAt })

    const all = { title: 'After', mode: 'creative', archived: true, pinned: false }
    expect(await change(all)).toEqual({ ...created, ...all, updatedAt })
  })

  test.each([{}, { id: randomUUID() }, { messageCount: 0 }, { archived: 'true' }, { title: null }])(
    'refuses %j',
    async (body) => {
      const alice = await server.createUser()
      const created = await createConversation(alice)
      const request = { ...pathOf(created), body: body as never }

      await alice.refused('invalid-request', 'changeConversation', request)
    },
  )

  test('succeeds for exactly one of twenty concurrent changes of the same version', async () => {
    const alice = await server.createUser()
    const created = await createConversation(alice)
    const { headers } = await alice.expect(200, 'getConversation', pathOf(created))
    const ifMatch = { 'If-Match': headers['etag']! }

    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        alice.call('changeConversation', {
          ...pathOf(created),
          headers: ifMatch,
          body: { title: `Title ${i}` },
        }),
      ),
    )
    const succeeded = responses.filter(({ status }) => status === 200)

    expect(succeeded).toHaveLength(1)
    expect(responses.filter(({ status }) => status === 412)).toHaveLength(19)

    const { body } = await alice.expect(200, 'getConversation', pathOf(created))
    expect(body.title).toBe((succeeded[0]!.body as Conversation).title)
  })
})

describe('If-Match', () => {
  /** Returns a conversation that was changed once, with both of its versions. */
  async function createChanged() {
    const alice = await server.createUser()
    const created = await alice.expect(201, 'createConversation', { body: {} })
    const updated = await alice.expect(200, 'changeConversation', {
      ...pathOf(created.body),
      body: { title: 'Now' },
    })
    const outdated = created.headers['etag']!
    const current = updated.headers['etag']!
    const change = (value: string) =>
      alice.call('changeConversation', {
        ...pathOf(created.body),
        headers: { 'If-Match': value },
        body: { pinned: true },
      })
    return { alice, path: pathOf(created.body), outdated, current, change }
  }

  test('accepts the current version, alone or in a list, and *', async () => {
    for (const valueFor of [
      (tag: string) => tag,
      () => '*',
      (tag: string) => `"0", ${tag}`,
      (tag: string) => `${tag} , "999"`,
      (tag: string) => `"a,b", ${tag}`,
    ]) {
      const { current, change } = await createChanged()
      const value = valueFor(current)
      expect([value, (await change(value)).status]).toEqual([value, 200])
    }
  })

  test('refuses every other version with 412 and the current ETag', async () => {
    const { alice, path, outdated, current, change } = await createChanged()
    const padded = current.replace('"', '"0')

    for (const value of [outdated, `W/${current}`, '"nonsense"', '""', padded, '"99999999999"']) {
      const response = await change(value)
      expect([value, response.status]).toEqual([value, 412])
      expect(response.headers['etag']).toBe(current)
      const headers = { 'If-Match': value }
      await alice.refused('precondition-failed', 'deleteConversation', { ...path, headers })
    }

    expect((await alice.expect(200, 'getConversation', path)).body.pinned).toBe(false)
  })

  test.each(['2', '"2', 'W/2', '"2" "3"', '*, "2"', ',', '"a b"', "'2'"])(
    'refuses the malformed value %s',
    async (value) => {
      const { alice, path } = await createChanged()
      const headers = { 'If-Match': value }

      const { body } = await alice.refused('invalid-request', 'deleteConversation', {
        ...path,
        headers,
      })

      expect(body.errors).toMatchObject([{ in: 'header', pointer: 'If-Match' }])
    },
  )

  test('makes DELETE depend on the version, too', async () => {
    const { alice, path, outdated, current } = await createChanged()
    await alice.refused('precondition-failed', 'deleteConversation', {
      ...path,
      headers: { 'If-Match': outdated },
    })
    await alice.expect(204, 'deleteConversation', { ...path, headers: { 'If-Match': current } })
  })

  test('leads to not-found, not to precondition-failed, for an unknown conversation', async () => {
    const alice = await server.createUser()
    const request = { ...pathOf({ id: randomUUID() }), headers: { 'If-Match': '"1"' } }

    await alice.refused('not-found', 'deleteConversation', request)
    await alice.refused('not-found', 'changeConversation', { ...request, body: { pinned: true } })
  })
})
