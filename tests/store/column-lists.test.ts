import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Prisma } from '../../generated/prisma/client.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { accountColumns } from '../../src/store/accounts/statements.ts'
import { conversationColumns } from '../../src/store/conversations/statements.ts'
import { feedbackColumns } from '../../src/store/feedback/statements.ts'
import { generationColumns, keptColumns } from '../../src/store/generations/statements.ts'
import { messageColumns } from '../../src/store/messages/statements.ts'
import { sessionColumns } from '../../src/store/sessions/statements.ts'
import { readModels } from '../support/database/prisma-schema.ts'

/*
 * Compares the columns in the hand-written statements of the store with prisma/schema.prisma.
 */

const models = readModels()
const columnsOfTable = new Map([...models.values()].map(({ table, columns }) => [table, columns]))

type List = {
  name: string
  list: Prisma.Sql
  of: { table: string; model: string; lacks?: string[] }[]
}

const USAGE_OF_MESSAGE = ['inputTokens', 'outputTokens', 'totalTokens', 'usageSource']
const STORED_ONLY = ['requestId', 'pieceEnds', 'problem', 'problemDetail']
/** Columns that no row of the store has. */
const INTERNAL = ['startedConversation', 'cancelRequestedAt']
const usage = { table: 'm', model: 'Message', lacks: fieldsExcept('Message', USAGE_OF_MESSAGE) }

const LISTS: List[] = [
  { name: 'account', list: accountColumns, of: [{ table: 'a', model: 'Account' }] },
  { name: 'conversation', list: conversationColumns, of: [{ table: 'c', model: 'Conversation' }] },
  { name: 'feedback', list: feedbackColumns, of: [{ table: 'f', model: 'Feedback' }] },
  {
    name: 'generation',
    list: generationColumns,
    of: [{ table: 'g', model: 'Generation', lacks: [...INTERNAL, ...STORED_ONLY] }, usage],
  },
  {
    name: 'stored generation',
    list: keptColumns,
    of: [{ table: 'g', model: 'Generation', lacks: INTERNAL }, usage],
  },
  { name: 'message', list: messageColumns, of: [{ table: 'm', model: 'Message' }] },
  { name: 'session', list: sessionColumns, of: [{ table: 's', model: 'Session' }] },
]

test.each(LISTS)(
  'the column list $name has the columns of the schema, by its names',
  ({ list, of }) => {
    const expected = of.flatMap(({ table, model, lacks = [] }) =>
      models
        .get(model)!
        .columns.filter(({ field }) => !lacks.includes(field))
        .map(({ name, field }) => `${table}.${name} AS ${field}`),
    )

    const listed = list.text
      .split(',')
      .map((entry) => /^(\w+)\.(\w+)(?: AS "(\w+)")?$/.exec(entry.trim())!)
      .map(([, table, name, field]) => `${table!}.${name!} AS ${field ?? name!}`)

    expect(listed.toSorted()).toEqual(expected.toSorted())
  },
)

const files = statementFiles()

test('every column list of the store is compared', () => {
  const exported = files.flatMap(({ text }) => [...text.matchAll(/const (\w+Columns) = /g)])

  expect(exported).toHaveLength(LISTS.length)
})

describe.each(files)('the statements in $name', ({ text }) => {
  test('rename columns only to their fields', () => {
    const pairs = [...columnsOfTable.values()].flat().map(({ name, field }) => `${name} ${field}`)

    const renamed = [...text.matchAll(/\b[a-z]\.(\w+) AS "(\w+)"/g)].map(
      ([, name, field]) => `${name!} ${field!}`,
    )

    expect(renamed.filter((pair) => !pairs.includes(pair))).toEqual([])
  })

  test('insert only existing columns, and all that have no default', () => {
    const inserts = [...text.matchAll(/INSERT INTO (\w+)(?: AS \w+)?\s*\(([^)]*)\)/g)]

    for (const [, table, list] of inserts) {
      const columns = columnsOfTable.get(table!)!
      const named = list!.split(',').map((name) => name.trim())
      const required = columns.filter(({ isRequired }) => isRequired).map(({ name }) => name)
      expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining(named))
      expect(named).toEqual(expect.arrayContaining(required))
    }
  })

  test('update only existing columns', () => {
    const updates = [...text.matchAll(/UPDATE (\w+)[\w ]*?\s+SET ([\s\S]*?)\b(?:FROM|WHERE)\b/g)]

    for (const [, table, list] of updates) {
      const names = columnsOfTable.get(table!)!.map(({ name }) => name)
      const set = [...list!.matchAll(/(?:^|,)\s*(\w+) = /g)].map(([, name]) => name!)
      expect(set).not.toEqual([])
      expect(names).toEqual(expect.arrayContaining(set))
    }
  })
})

function fieldsExcept(model: string, excluded: string[]): string[] {
  const fields = models.get(model)!.columns.map(({ field }) => field)
  return fields.filter((field) => !excluded.includes(field))
}

function statementFiles(): { name: string; text: string }[] {
  const directory = join(packageRoot, 'src/store')
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /statements?\.ts$/.test(name))
    .map((name) => ({ name, text: readFileSync(join(directory, name), 'utf8') }))
}
