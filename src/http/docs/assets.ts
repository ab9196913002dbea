import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fixedAnswer, type FixedAnswer } from './fixed-answer.ts'

/** A file that browsers fetch: where it comes from in this package, and what it is. */
export type Asset = { from: string; type: string }

const SCRIPT = 'text/javascript; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'
const TEXT = 'text/plain; charset=utf-8'

/**
 * Every file below /docs/assets, by name: no other name is ever looked up. The libraries point to
 * their licences by these names.
 */
export const ASSETS: Readonly<Record<string, Asset>> = {
  'docs.css': { from: 'src/http/docs/browser/docs.css', type: STYLE },
  'favicon.svg': { from: 'src/http/docs/browser/favicon.svg', type: 'image/svg+xml' },
  'reference.js': { from: 'src/http/docs/browser/reference.js', type: SCRIPT },
  'console.js': { from: 'src/http/docs/browser/console.js', type: SCRIPT },
  'redoc.standalone.js': { from: vendor('redoc/bundles/redoc.standalone.js'), type: SCRIPT },
  'redoc.standalone.js.LICENSE.txt': {
    from: vendor('redoc/bundles/redoc.standalone.js.LICENSE.txt'),
    type: TEXT,
  },
  'redoc.LICENSE.txt': { from: vendor('redoc/LICENSE'), type: TEXT },
  'swagger-ui-bundle.js': { from: vendor('swagger-ui-dist/swagger-ui-bundle.js'), type: SCRIPT },
  'swagger-ui-bundle.js.LICENSE.txt': {
    from: vendor('swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt'),
    type: TEXT,
  },
  'swagger-ui.css': { from: vendor('swagger-ui-dist/swagger-ui.css'), type: STYLE },
  'swagger-ui.LICENSE.txt': { from: vendor('swagger-ui-dist/LICENSE'), type: TEXT },
  'swagger-ui.NOTICE.txt': { from: vendor('swagger-ui-dist/NOTICE'), type: TEXT },
}

/** Where the build puts the assets, from the root of the package. */
export const ASSETS_DIRECTORY = 'dist/docs'

/**
 * Reads every asset into memory.
 * @param directory where `scripts/copy-docs-assets.ts` put them
 * @throws when one is missing, with the command that brings it
 */
export function loadAssets(directory: string): ReadonlyMap<string, FixedAnswer> {
  const named = Object.entries(ASSETS).map(([name, { type }]) => {
    return [name, fixedAnswer(read(directory, name), type)] as const
  })
  return new Map(named)
}

function read(directory: string, name: string): Buffer {
  try {
    return readFileSync(join(directory, name))
  } catch (cause) {
    const help = 'Run `npm run build` (or `npx tsx scripts/prepare-start.ts`) once.'
    throw new Error(`The pages of /docs need ${join(directory, name)}, which is missing. ${help}`, {
      cause,
    })
  }
}

function vendor(path: string): string {
  return `node_modules/${path}`
}
