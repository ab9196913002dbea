import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildStaticDocs } from '../../scripts/static-docs.ts'
import { policies } from '../../generated/policies.ts'
import { noBrowser, openBrowser, openPage } from '../support/browser.ts'

const FILE_ORIGIN = 'null'
const SUBJECT = `the static docs in a browser${noBrowser ? ` (skipped: ${noBrowser})` : ''}`

describe.skipIf(noBrowser)(SUBJECT, () => {
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
    'show the guide and every operation from one file at %i pixels, without a network',
    async (width) => {
      const browser = await openBrowser()
      const { page, errors } = await openPage(browser, FILE_ORIGIN, width)
      await page.goto(url)

      await page.getByRole('heading', { name: 'Getting started' }).waitFor()

      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)

      for (const [operationId, { tag, path }] of Object.entries(policies)) {
        await page.goto(`${url}#/${tag}/${operationId.toLowerCase()}`)
        const shown = page.locator(`[id="${tag}/${operationId.toLowerCase()}"]`)
        await shown.waitFor()
        expect(await shown.innerText()).toContain(path)
      }
      expect(errors).toEqual([])

      await browser.close()
    },
  )
})
