import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'

const PEERS = join(packageRoot, 'scripts/laboratory/bench/peers')
const LOADS = /(?:const \{ ([\w, ]+) \} = |\.\.\.\()await fromParley\('([^']+)'\)/g

/** Every load of a module of the built Parley by a peer, with the names that the peer takes from it. */
const loads = readdirSync(PEERS, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.js'))
  .flatMap((file) =>
    Array.from(readFileSync(join(PEERS, file), 'utf8').matchAll(LOADS), ([, names, module]) => ({
      file,
      module: module!,
      names: names?.split(', ') ?? [],
    })),
  )

describe('the peers of the bench', () => {
  test('load modules of Parley', () => {
    expect(loads.length).toBeGreaterThan(10)
  })

  test.each(loads)('$file loads what $module exports', async ({ module, names }) => {
    const source = join(packageRoot, 'src', module.replace(/\.js$/, '.ts'))

    const exported = (await import(source)) as Record<string, unknown>

    expect(Object.keys(exported)).toEqual(expect.arrayContaining(names))
  })
})
