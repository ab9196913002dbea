import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { CONTRACT_FILE } from '../src/contract/document.ts'
import { packageRoot } from '../src/lib/package-root.ts'

/** The file that `npm run docs` writes, relative to the root of the package. */
export const STATIC_DOCS_FILE = 'dist/parley-docs.html'

/** The page's only request to another host: the logo of Redocly. The link beside it stays. */
const MAKERS_LOGO = 'https://cdn.redoc.ly/redoc/logo-mini-full.svg'
/** Replaces the logo: the name, as an inline image. */
const MAKERS_NAME = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="52" height="14">' +
    '<text y="11" font-size="12" font-family="sans-serif">Redocly</text></svg>',
)}`

/** Redoc breaks code at any character, which splits problem codes. */
const STYLE = `<style>
td code { word-break: normal !important; overflow-wrap: normal !important }
@media (max-width: 50em) {
  td, th { padding: 5px 6px !important }
  td code { padding: 0 2px !important; font-size: 11px !important }
}
</style>`

const run = promisify(execFile)

/**
 * Writes the reference and its guide into one HTML file that needs neither this server nor the network:
 * the output of `@redocly/cli build-docs` with its scripts inlined.
 * @throws if Redocly fails, or if the page does not contain the logo to replace
 */
export async function buildStaticDocs(file = join(packageRoot, STATIC_DOCS_FILE)): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const redocly = join(packageRoot, 'node_modules/.bin/redocly')
  const options = ['--inlineBundle', '--title=Parley – Reference', `--output=${file}`]
  // The build makes no requests either.
  const quiet = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  const env = { ...process.env, ...quiet }
  await run(redocly, ['build-docs', CONTRACT_FILE, ...options], { cwd: packageRoot, env })
  const html = await readFile(file, 'utf8')
  if (!html.includes(MAKERS_LOGO)) throw new Error(`${file} does not contain ${MAKERS_LOGO}.`)
  const named = html.replaceAll(MAKERS_LOGO, MAKERS_NAME)
  await writeFile(file, named.replace('</head>', `${STYLE}</head>`))
}

if (import.meta.url === `file://${process.argv[1]}`) {
  await buildStaticDocs()
  console.log(STATIC_DOCS_FILE)
}
