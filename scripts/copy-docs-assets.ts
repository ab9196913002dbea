import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ASSETS, ASSETS_DIRECTORY } from '../src/http/docs/assets.ts'
import { packageRoot } from '../src/lib/package-root.ts'
import { writeChanged } from './support/write-changed.ts'

/** Redoc's one request to another host: its maker's logo. The link beside it stays. */
const MAKERS_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg'
/** An empty picture: Redoc hides a logo that cannot be shown. */
const NO_LOGO = 'data:,'

/**
 * Copies the files that browsers fetch to `dist/docs`, because a production install has no
 * devDependencies. Several processes may do so at once.
 * @throws when a library lacks a file, or Redoc no longer fetches the logo that is taken out
 */
export async function copyDocsAssets(): Promise<void> {
  const directory = join(packageRoot, ASSETS_DIRECTORY)
  const copies = Object.entries(ASSETS).map(async ([name, { from }]) => {
    const original = await readFile(join(packageRoot, from))
    const content = name === 'redoc.standalone.js' ? withoutLogo(original) : original
    await writeChanged(join(directory, name), content)
  })
  await Promise.all(copies)
}

function withoutLogo(script: Buffer): Buffer {
  const parts = script.toString('utf8').split(MAKERS_LOGO)
  if (parts.length !== 2)
    throw new Error(`redoc.standalone.js must contain ${MAKERS_LOGO} exactly once.`)
  return Buffer.from(parts.join(NO_LOGO))
}
