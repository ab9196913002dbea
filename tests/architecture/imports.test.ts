import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'

const SRC = join(packageRoot, 'src')
const IMPORT = /(?:from|import\() *'(\.[^']+)'/g

/** The files that each file of `src` imports, types included. */
const imports = new Map(
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const text = readFileSync(join(SRC, file), 'utf8')
      const paths = Array.from(text.matchAll(IMPORT), ([, path]) => join(dirname(file), path!))
      return [file, paths.filter((path) => !relative('.', path).startsWith('..'))] as const
    }),
)

/** Returns the first circle that a walk from this file meets, as a list of its files. */
function findCircle(file: string, done: Set<string>, way: string[] = []): string[] | undefined {
  if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
  if (done.has(file)) return undefined
  done.add(file)
  for (const next of imports.get(file) ?? []) {
    const circle = findCircle(next, done, [...way, file])
    if (circle) return circle
  }
  return undefined
}

test('no file of src imports itself through others', () => {
  const done = new Set<string>()

  const circles = [...imports.keys()].map((file) => findCircle(file, done)).filter(Boolean)

  expect(imports.size).toBeGreaterThan(300)
  expect(circles).toEqual([])
})
