import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'

const PEERS = join(packageRoot, 'scripts/laboratory/bench/peers')
const IMPORTS = /(?:const \{ ([\w, ]+) \} = |\.\.\.\()await fromParley\('([^']+)'\)/g

/** Every module of the built Parley that a peer imports, with the imported names. */
const imports = readdirSync(PEERS, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.js'))
  .flatMap((file) =>
    Array.from(readFileSync(join(PEERS, file), 'utf8').matchAll(IMPORTS), ([, names, module]) => ({
      file,
      module: module!,
      names: names?.split(', ') ?? [],
    })),
  )

describe('the peers of the benchmark', () => {
  test('import modules of Parley', () => {
    expect(imports.length).toBeGreaterThan(10)
  })

  test.each(imports)(
    'import only what is exported: $file from $module',
    async ({ module, names }) => {
      const source = join(packageRoot, 'src', module.replace(/\.js$/, '.ts'))
      const exported = (await import(source)) as Record<string, unknown>

      expect(Object.keys(exported)).toEqual(expect.arrayContaining(names))
    },
  )
})
