import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Query, queryIn } from '../../src/store/database/query.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { givenAccount } from './given.ts'

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

describe('a statement', () => {
  const id = randomUUID()
  const at = new Date('2026-05-11T09:00:00.123Z')
  const everyType = (query: Query) => query`
    SELECT ${id}::uuid AS id, ${at}::timestamptz AS at, ${'한국어 \u2028 "'}::text AS text, 7::int AS int,
      9007199254740993::bigint AS bigint, 0.1::float8 AS float8, true AS bool, NULL::timestamptz AS none,
      ${JSON.stringify({ a: [1, null] })}::jsonb AS json, ${['a,b', 'c"']}::text[] AS texts,
      ${[1, 2]}::int[] AS ints, 'admin'::role AS role, ${Buffer.from([0, 255])}::bytea AS bytes`

  test('returns the same rows with and without Prisma’s client', async () => {
    const rows = await everyType(opened.database.query)

    expect(rows).toMatchObject([{ id, at, int: 7, json: { a: [1, null] }, texts: ['a,b', 'c"'] }])
    const [{ bytes, ...row }] = rows as [{ bytes: Uint8Array }]
    const [{ bytes: sameBytes, ...sameRow }] = (await everyType(
      queryIn(opened.database.prisma),
    )) as [{ bytes: Uint8Array }]
    expect(row).toEqual(sameRow)
    expect([...bytes]).toEqual([...sameBytes])
  })

  test('returns text that begins with a byte order mark unchanged, also after a failure', async () => {
    const text = '\ufeff\ufeffHello\ufeff'

    for (const query of [opened.database.query, queryIn(opened.database.prisma)]) {
      const read = () => query`
        SELECT ${text}::text AS text, ${'\ufeff'}::text AS mark, ${[text]}::text[] AS texts,
          to_jsonb(${text}::text) AS json`
      expect(await read()).toEqual([{ text, mark: '\ufeff', texts: [text], json: text }])
      await expect(query`SELECT 1 / 0 AS nothing`).rejects.toThrow()
      expect(await read()).toEqual([{ text, mark: '\ufeff', texts: [text], json: text }])
    }
  })

  test('is refused when a column has an unsupported type', async () => {
    await expect(opened.database.query`SELECT 1.5::numeric AS price`).rejects.toThrow(
      'No statement',
    )
  })

  test('that fails has the error code of the database as its cause', async () => {
    const failure = opened.database.query`SELECT 1 / 0 AS nothing`

    await expect(failure).rejects.toMatchObject({ cause: { originalCode: '22012' } })
  })

  test('in a transaction is rolled back with it', async () => {
    const { id: ownerId } = await givenAccount(opened.store)
    const id = randomUUID()
    const conversation = { id, ownerId, title: 'A walk', mode: 'general', now: at }

    const transaction = opened.store.atomically(async ({ conversations }) => {
      await conversations.create(conversation)
      throw new Error('changed my mind')
    })

    await expect(transaction).rejects.toThrow('changed my mind')
    expect(await opened.store.conversations.find({ id, ownerId })).toBeUndefined()
  })
})
