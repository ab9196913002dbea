import {
  type ColumnType,
  ColumnTypeEnum,
  type SqlDriverAdapter,
} from '@prisma/driver-adapter-utils'
import { Prisma, type PrismaClient } from '../../../generated/prisma/client.ts'

/** Runs a statement; `Rows` is the type of its result. */
export type Query = <Rows extends object[]>(
  text: TemplateStringsArray,
  ...values: unknown[]
) => Promise<Rows>

/** How the nouns reach the database: by Prisma's models, or by a hand-written statement. */
export type Client = { prisma: PrismaClient; query: Query }

/**
 * Runs statements by the driver adapter itself, which both databases have. Through Prisma's client they take
 * 70 to 110 µs more, which is the larger part of a short call.
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

/** Runs statements in a transaction, which only Prisma's client knows. */
export function queryIn(prisma: PrismaClient): Query {
  return <Rows extends object[]>(text: TemplateStringsArray, ...values: unknown[]) =>
    prisma.$queryRaw<Rows>(text, ...values)
}

/** The statements say themselves what each value is, as in `${id}::uuid`. */
const argTypeOf = (value: unknown) =>
  ({ scalarType: 'unknown', arity: Array.isArray(value) ? 'list' : 'scalar' }) as const

type Read = (value: unknown) => unknown

/** The types that an adapter returns as text, and Prisma's client does not. */
const READERS: ReadonlyMap<ColumnType, Read> = new Map<ColumnType, Read>([
  [ColumnTypeEnum.Int64, (value) => BigInt(value as string)],
  [ColumnTypeEnum.DateTime, (value) => new Date(value as string)],
  [ColumnTypeEnum.Json, (value) => JSON.parse(value as string) as unknown],
])

const asItIs: Read = (value) => value

/** The types that need no conversion. Any other is refused until its reader is written. */
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
