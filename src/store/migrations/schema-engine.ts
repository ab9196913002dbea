import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg'

export type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg'

// Node has it; its types come with those of browsers, which this program does not load.
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>
}

/**
 * Prisma's own engine for migrations, in WebAssembly: the command line would download a binary. It has 5 MB,
 * hence it is loaded only when there is something to migrate.
 */
export async function openSchemaEngine(
  factory: SqlMigrationAwareDriverAdapterFactory,
): Promise<SchemaEngine> {
  loading ??= load()
  const { SchemaEngine } = await loading
  const adapter = bindMigrationAwareSqlAdapterFactory(factory)
  return SchemaEngine.new({ datamodels: undefined }, () => {}, adapter)
}

type Glue = typeof import('@prisma/schema-engine-wasm/schema_engine_bg')

// Once per process: the glue keeps views of the memory of the first instance and would read garbage from a
// second one.
let loading: Promise<Glue> | undefined

async function load(): Promise<Glue> {
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')
  const bytes = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  const start = instance.exports['__wbindgen_start'] as () => void
  start()
  return glue
}
