import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Conversation } from '../../generated/api.ts'
import type { ApiRequest } from '../support/client.ts'
import { at, create, server } from './conversations.given.ts'

describe('PATCH /conversations/{conversationId}', () => {
  test('changes what is sent and leaves the rest', async () => {
    const alice = await server.createUser()
    const made = await create(alice, { title: 'Before', mode: 'concise' })
    await server.clock.advance(1_000)
    const change = async (body: ApiRequest<'changeConversation'>['body']) =>
      (await alice.expect(200, 'changeConversation', { ...at(made), body: body! })).body
    const pinned = await change({ pinned: true })
    const updatedAt = new Date(Date.parse(made.updatedAt) + 1_000).toISOString()
    expect(pinned).toEqual({ ...made, pinned: true, updatedAt })

    const all = { title: 'After', mode: 'creative', archived: true, pinned: false }
    expect(await change(all)).toEqual({ ...made, ...all, updatedAt })
  })

  test.each([{}, { id: randomUUID() }, { messageCount: 0 }, { archived: 'true' }, { title: null }])(
    'refuses %j',
    async (body) => {
      const alice = await server.createUser()
      const made = await create(alice)
      const request = { ...at(made), body: body as never }
      await alice.refused('invalid-request', 'changeConversation', request)
    },
  )

  test('lets exactly one of twenty win that have read the same version', async () => {
    const alice = await server.createUser()
    const made = await create(alice)
    const { headers } = await alice.expect(200, 'getConversation', at(made))
    const ifMatch = { 'If-Match': headers['etag']! }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        alice.call('changeConversation', {
          ...at(made),
          headers: ifMatch,
          body: { title: `Title ${i}` },
        }),
      ),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19)

    const { body } = await alice.expect(200, 'getConversation', at(made))
    expect(body.title).toBe((won[0]!.body as Conversation).title)
  })
})

describe('If-Match', () => {
  async function changed() {
    const alice = await server.createUser()
    const made = await alice.expect(201, 'createConversation', { body: {} })
    const now = await alice.expect(200, 'changeConversation', {
      ...at(made.body),
      body: { title: 'Now' },
    })
    const old = made.headers['etag']!
    const current = now.headers['etag']!
    const change = (value: string) =>
      alice.call('changeConversation', {
        ...at(made.body),
        headers: { 'If-Match': value },
        body: { pinned: true },
      })
    return { alice, path: at(made.body), old, current, change }
  }

  test('lets the version pass that it names, alone or among others, and any for *', async () => {
    for (const name of [
      (tag: string) => tag,
      () => '*',
      (tag: string) => `"0", ${tag}`,
      (tag: string) => `${tag} , "999"`,
      (tag: string) => `"a,b", ${tag}`,
    ]) {
      const { current, change } = await changed()
      expect([name(current), (await change(name(current))).status]).toEqual([name(current), 200])
    }
  })

  test('refuses every other version, weak and misspelt ones too, and tells the current one', async () => {
    const { alice, path, old, current, change } = await changed()
    const padded = current.replace('"', '"0')

    for (const value of [old, `W/${current}`, '"nonsense"', '""', padded, '"99999999999"']) {
      const answer = await change(value)
      expect([value, answer.status]).toEqual([value, 412])
      expect(answer.headers['etag']).toBe(current)
      const headers = { 'If-Match': value }
      await alice.refused('precondition-failed', 'deleteConversation', { ...path, headers })
    }

    expect((await alice.expect(200, 'getConversation', path)).body.pinned).toBe(false)
  })

  test.each(['2', '"2', 'W/2', '"2" "3"', '*, "2"', ',', '"a b"', "'2'"])(
    'is refused when it is malformed: %s',
    async (value) => {
      const { alice, path } = await changed()
      const headers = { 'If-Match': value }

      const { body } = await alice.refused('invalid-request', 'deleteConversation', {
        ...path,
        headers,
      })

      expect(body.errors).toMatchObject([{ in: 'header', pointer: 'If-Match' }])
    },
  )

  test('deletes only the version that it names', async () => {
    const { alice, path, old, current } = await changed()
    await alice.refused('precondition-failed', 'deleteConversation', {
      ...path,
      headers: { 'If-Match': old },
    })
    await alice.expect(204, 'deleteConversation', { ...path, headers: { 'If-Match': current } })
  })

  test('says not-found, not precondition-failed, of what does not exist', async () => {
    const alice = await server.createUser()
    const request = { ...at({ id: randomUUID() }), headers: { 'If-Match': '"1"' } }
    await alice.refused('not-found', 'deleteConversation', request)
    await alice.refused('not-found', 'changeConversation', { ...request, body: { pinned: true } })
  })
})
