import {
  type ColumnType,
  ColumnTypeEnum,
  type SqlDriverAdapter,
} from '@prisma/driver-adapter-utils'
import { Prisma, type PrismaClient } from '../../../generated/prisma/client.ts'

/** Asks the database a statement; the type is that of its rows. */
export type Query = <Rows extends object[]>(
  text: TemplateStringsArray,
  ...values: unknown[]
) => Promise<Rows>

/** How the nouns reach the database: by the models of Prisma, or by a statement of their own. */
export type Client = { prisma: PrismaClient; query: Query }

/**
 * Statements by the driver adapter itself, which is one for both databases. On their way through
 * Prisma's client they would take 70 to 110 µs more, which is the larger part of a short call.
 */
export function queryBy(connect: () => Promise<SqlDriverAdapter>): Query {
  let connected: Promise<SqlDriverAdapter> | undefined
  return async <Rows extends object[]>(text: TemplateStringsArray, ...values: unknown[]) => {
    connected ??= connect()
    const statement = Prisma.sql(text, ...values)
    const { columnNames, columnTypes, rows } = await (
      await connected
    ).queryRaw({
      sql: statement.text,
      args: statement.values,
      argTypes: statement.values.map(argTypeOf),
    })
    const readers = columnTypes.map(readerOf)
    return rows.map((row) => readRow(row, columnNames, readers)) as Rows
  }
}

/** Statements in a transaction, which is Prisma's. */
export function queryIn(prisma: PrismaClient): Query {
  return <Rows extends object[]>(text: TemplateStringsArray, ...values: unknown[]) =>
    prisma.$queryRaw<Rows>(text, ...values)
}

/** The statements say themselves what each value is, as in `${id}::uuid`. */
const argTypeOf = (value: unknown) =>
  ({ scalarType: 'unknown', arity: Array.isArray(value) ? 'list' : 'scalar' }) as const

type Read = (value: unknown) => unknown

/** What an adapter gives as text, and Prisma's client as something else. */
const READERS: ReadonlyMap<ColumnType, Read> = new Map<ColumnType, Read>([
  [ColumnTypeEnum.Int64, (value) => BigInt(value as string)],
  [ColumnTypeEnum.DateTime, (value) => new Date(value as string)],
  [ColumnTypeEnum.Json, (value) => JSON.parse(value as string) as unknown],
])

const asItIs: Read = (value) => value

/** Of those that come as they are; another type has to be thought of first. */
const PLAIN: ReadonlySet<ColumnType> = new Set([
  ColumnTypeEnum.Int32,
  ColumnTypeEnum.Double,
  ColumnTypeEnum.Boolean,
  ColumnTypeEnum.Text,
  ColumnTypeEnum.TextArray,
  ColumnTypeEnum.Int32Array,
  ColumnTypeEnum.Enum,
  ColumnTypeEnum.Uuid,
  ColumnTypeEnum.Bytes,
])

function readerOf(type: ColumnType): Read {
  const reader = READERS.get(type) ?? (PLAIN.has(type) ? asItIs : undefined)
  if (!reader) throw new Error(`No statement has read a column of type ${String(type)} before`)
  return reader
}

function readRow(row: unknown[], names: readonly string[], readers: readonly Read[]): object {
  const read: Record<string, unknown> = {}
  for (const [i, name] of names.entries()) {
    const value = row[i]
    read[name] = value === null ? null : readers[i]!(value)
  }
  return read
}
