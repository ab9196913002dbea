import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildStaticDocs } from '../../scripts/static-docs.ts'
import { loadContract, METHODS } from '../../src/contract/document.ts'
import { noBrowser, openBrowser, openPage } from '../support/browser.ts'

const FILE_ORIGIN = 'null'
const { document } = loadContract()
const operations = Object.values(document.paths).flatMap((item) =>
  METHODS.flatMap((method) => item[method] ?? []),
)

describe.skipIf(noBrowser)(`in a browser${noBrowser ? ` (skipped: ${noBrowser})` : ''}`, () => {
  let directory: string
  let url: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'parley-static-docs-'))
    const file = join(directory, 'parley-docs.html')
    await buildStaticDocs(file)
    url = pathToFileURL(file).href
  })
  afterAll(() => rm(directory, { recursive: true }))

  test.each([1280, 360])(
    'one file holds the guide and every operation, at %i pixels, and asks nobody',
    async (width) => {
      const browser = await openBrowser()
      const { page, complaints } = await openPage(browser, FILE_ORIGIN, width)
      await page.goto(url)
      await page.getByRole('heading', { name: 'Getting started' }).waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      for (const name of new Set(operations.flatMap(({ tags = [] }) => tags))) {
        await page.goto(`${url}#/${name}`)
        for (const { summary } of operationsOf(name)) {
          await page.getByRole('heading', { name: summary, exact: true }).first().waitFor()
        }
      }
      expect(complaints).toEqual([])
      await browser.close()
    },
  )
})

function operationsOf(tag: string): { summary: string }[] {
  const found = operations.filter(({ tags }) => tags?.includes(tag))
  return found as unknown as { summary: string }[]
}
