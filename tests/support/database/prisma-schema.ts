import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package-root.ts'

export type Column = {
  /** In the database. */
  name: string
  /** In the program. */
  field: string
  /** An insert has to name it. */
  isRequired: boolean
}

export type Model = { table: string; columns: Column[] }

/** The models of prisma/schema.prisma by name, with those fields that are columns. */
export function readModels(): ReadonlyMap<string, Model> {
  const schema = readFileSync(join(packageRoot, 'prisma/schema.prisma'), 'utf8')
  const models = [...schema.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)]
  const names = new Set(models.map(([, name]) => name!))
  return new Map(models.map(([, name, body]) => [name!, toModel(body!, names)]))
}

function toModel(body: string, models: ReadonlySet<string>): Model {
  const fields = [...body.matchAll(/^ {2}(\w+) +(\w+)(\S*)(.*)$/gm)]
  const columns = fields
    .filter(([, , type]) => !models.has(type!))
    .map(([, field, , suffix, attributes]) => ({
      name: /@map\("(\w+)"\)/.exec(attributes!)?.[1] ?? field!,
      field: field!,
      isRequired: suffix !== '?' && !attributes!.includes('@default'),
    }))
  return { table: /@@map\("(\w+)"\)/.exec(body)![1]!, columns }
}
