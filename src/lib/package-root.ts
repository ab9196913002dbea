import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The directory of package.json. Sources run from src/ under tsx and from dist/src/ after the build,
 * so a path relative to a module would be right in only one of them.
 */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)))

/** The version of this program in package.json. */
export function packageVersion(): string {
  const file = readFileSync(join(packageRoot, 'package.json'), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

function findPackageRoot(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory
  const parent = dirname(directory)
  if (parent === directory) throw new Error('No package.json above the running code')
  return findPackageRoot(parent)
}
