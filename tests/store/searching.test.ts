import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openDatabase } from '../../src/store/database/database.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { type Store, storeOf } from '../../src/store/store.ts'
import { openTestStore } from '../support/database/database.ts'
import { administer, dropDatabase } from '../support/database/server-database.ts'
import { givenAccount, now } from './given.ts'

/** A stored text, and the searches that find it. */
const MATCHES: readonly (readonly [stored: string, ...searches: string[]])[] = [
  ['Привет, мир', 'ПРИВЕТ', 'привет', 'пРиВеТ, М'],
  ['ÄRGER im Büro', 'ärger', 'BÜRO', 'Ärger'],
  ['ΟΔΥΣΣΕΥΣ και άλλος', 'οδυσσευς', 'οδυσσευσ', 'ΆΛΛΟΣ', 'άλλοσ'],
  ['Straße', 'STRAẞE', 'straße'],
  ['İSTANBUL, Iğdır', 'istanbul', 'ISTANBUL', 'ıstanbul', 'iğdir', 'IĞDIR'],
  ['한국어로 말하기', '한국', '한국어'.normalize('NFD'), '말하기'.normalize('NFD')],
  ['Café Ångström'.normalize('NFD'), 'café', 'CAFÉ', 'ångström', 'CAFE\u0301', '\u212bngström'],
  ['회의록'.normalize('NFD'), '회의', '의록', '의록'.normalize('NFD')],
  ['ậ in Việt'.normalize('NFD'), 'ậ', 'a\u0302\u0323', 'a\u0323\u0302', 'VIỆT'],
  ['𐐔𐐯𐑅𐐨𐑉𐐯𐐻', '𐐼𐐇𐐝'],
  ['a.*[b](c)^$|{d}+?\\e-f', '.*[B](C)^$|{D}+?\\E-F', 'A.*', '|{d}', '\\E'],
  ['***:starts', '***:S', '***='.slice(0, 3)],
  ['100% of a_b', '100%', 'A_B', '% OF'],
  ['ﬁne № 5', 'ﬁNE', '№'],
]
/** A stored text, and a search that does not find it. */
const MISSES: readonly (readonly [stored: string, search: string])[] = [
  ['Äpfel', 'apfel'],
  ['Ä'.normalize('NFD') + 'pfel', 'apfel'],
  ['한국', '하'],
  ['abc', 'a.c'],
  ['abc', '%'],
  ['abc', 'a_c'],
]

type Opened = { store: Store; close(): Promise<void> }

/** The tests of a search, in the database that `open` opens. */
function testSearch(open: () => Promise<Opened>) {
  let opened: Opened
  beforeAll(async () => {
    opened = await open()
  }, 120_000)
  afterAll(() => opened.close())

  /** Stores a title and a display name; returns the search for both. */
  const storeText = async (title: string) => {
    const ownerId = (await givenAccount(opened.store)).id
    await opened.store.conversations.create({
      id: randomUUID(),
      ownerId,
      title,
      mode: 'concise',
      now,
    })
    const id = randomUUID()
    await opened.store.accounts.create({ id, role: 'service', displayName: title, now })
    return async (text: string) => {
      const { conversations, accounts } = opened.store
      const titles = await conversations.search({ ownerId, text, limit: 9 })
      const names = await accounts.search({ roles: ['service'], text, limit: 90 })
      return {
        titles: titles.found.map((one) => one.title),
        names: names.found.filter((one) => one.id === id).map((one) => one.displayName),
      }
    }
  }

  test.each(MATCHES)(
    'finds %s in any case and Unicode form, and returns it as stored',
    async (stored, ...searches) => {
      const search = await storeText(stored)

      for (const text of searches) {
        expect(await search(text), text).toEqual({ titles: [stored], names: [stored] })
      }
    },
  )

  test.each(MISSES)('does not find %s by %s', async (stored, text) => {
    const search = await storeText(stored)

    expect(await search(text)).toEqual({ titles: [], names: [] })
  })

  test('finds an email in any case', async () => {
    const { id, email } = await givenAccount(opened.store)

    const { found } = await opened.store.accounts.search({
      roles: ['user'],
      text: email!.toUpperCase(),
      limit: 9,
    })

    expect(found.map((one) => one.id)).toEqual([id])
  })
}

describe('a search', () => {
  testSearch(openTestStore)
})

const migrated = inject('migrated')
const LOCALES = {
  C: `LOCALE 'C'`,
  'C.UTF-8': `LOCALE 'C.UTF-8'`,
  ICU: `LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C'`,
}
describe.skipIf('snapshot' in migrated)('a search in a database with the locale', () => {
  describe.each(Object.entries(LOCALES))('%s', (_name, locale) => {
    testSearch(async () => {
      const { serverUrl } = migrated as { serverUrl: string }
      const name = `parley_test_${randomUUID()}`
      await administer(
        serverUrl,
        `CREATE DATABASE "${name}" TEMPLATE template0 ENCODING 'UTF8' ${locale}`,
      )
      const databaseUrl = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href
      const database = await openDatabase({ databaseUrl })
      await migrate(database)
      const close = async () => {
        await database.close()
        await dropDatabase(serverUrl, name)
      }
      return { store: storeOf(database), close }
    })
  })
})
