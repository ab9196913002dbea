import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { copyDocsAssets } from '../../scripts/copy-docs-assets.ts'
import { PROBLEMS } from '../../src/domain/problem.ts'
import { noBrowser, openBrowser, openPage, type WatchedPage } from '../support/browser.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'

const WIDTHS = [1280, 360]
const ADMIN = { email: 'admin@example.com', password: 'the admin of the tests' }
/** Chromium needs this long for its first page on a busy machine. */
const TIMEOUT_MS = 60_000

const SUBJECT = `the docs in a browser${noBrowser ? ` (skipped: ${noBrowser})` : ''}`

describe.skipIf(noBrowser)(SUBJECT, () => {
  let server: TestServer
  let browser: Browser
  let open: WatchedPage[] = []

  beforeAll(async () => {
    await copyDocsAssets()
    server = await startServer({ env: ADMIN_VARIABLES })
    browser = await openBrowser()
  }, TIMEOUT_MS)
  afterEach(async () => {
    await Promise.all(open.map(({ page }) => page.close()))
    open = []
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
  })

  async function visit(path: string, width: number): Promise<WatchedPage> {
    const watched = await openPage(browser, server.url, width)
    open.push(watched)
    await watched.page.goto(server.url + path)
    return watched
  }

  describe.each(WIDTHS)('%i pixels wide', { timeout: TIMEOUT_MS }, (width) => {
    test('the reference is shown and its search finds an operation', async () => {
      const { page, errors } = await visit('/docs', width)
      await page.getByRole('heading', { name: 'Getting started' }).waitFor()

      await page.getByRole('heading', { name: 'Redirect to the health check' }).waitFor()

      expect(await isWithin(page, width)).toBe(true)

      if (width > 1000) {
        await page.getByPlaceholder('Search...').fill('thumb')
        await page.locator('[data-role="search:results"] li').first().waitFor()
      }
      expect(errors).toEqual([])
    })

    test.each([
      'section/Errors',
      'section/Versions-and-changes',
      'tag/chat/operation/streamMessage',
    ])('the reference scrolls to #%s', async (anchor) => {
      const { page, errors } = await visit(`/docs#${anchor}`, width)
      const target = page.locator(`[id="${anchor}"]`)

      await target.waitFor()

      await expect.poll(() => distanceFromTop(page, anchor), { timeout: 10_000 }).toBeLessThan(200)

      expect(errors).toEqual([])
    })

    test('the page of a problem links to the table of errors', async () => {
      const { page, errors } = await visit('/docs/problems/token-expired', width)
      expect(await page.title()).toBe('token-expired – Parley')
      expect(await isWithin(page, width)).toBe(true)

      await page.getByRole('link', { name: 'All errors' }).click()
      await page.locator('[id="section/Errors"]').waitFor()
      expect(errors).toEqual([])
    })

    test('the Korean guide is shown with the operations, and both languages link to each other', async () => {
      const { page, errors } = await visit('/docs/ko', width)
      await page.getByRole('heading', { name: '시작하기' }).waitFor()

      await page.getByRole('heading', { name: 'Redirect to the health check' }).waitFor()

      expect(await page.locator('html').getAttribute('lang')).toBe('ko')
      await expect.poll(() => page.locator('[id="tag/chat"]').getAttribute('lang')).toBe('en')
      expect(await isWithin(page, width)).toBe(true)

      await page.getByRole('link', { name: 'English' }).click()
      await page.getByRole('heading', { name: 'Getting started' }).waitFor()
      await page.getByRole('link', { name: '한국어' }).click()
      await page.waitForURL('**/docs/ko')
      expect(errors).toEqual([])
    })

    test('the page of every problem shows its code, status and title', async () => {
      const { page, errors } = await visit('/docs/problems/not-found', width)

      for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
        await page.goto(`${server.url}/docs/problems/${code}`)
        expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(code)
        expect(await page.locator('main').innerText()).toContain(`${status} `)
        expect(await page.locator('main').innerText()).toContain(title)
        expect(await isWithin(page, width)).toBe(true)
      }

      // The next page opens before the browser has fetched the icon of the previous one.
      expect(errors.filter((line) => !/favicon.*ERR_ABORTED/.test(line))).toEqual([])
    })

    test.each(['/docs', '/docs/ko', '/docs/console', '/docs/problems/not-found'])(
      'Tab moves through %s from the product name on, with a visible focus',
      async (path) => {
        const { page, errors } = await visit(path, width)
        await page.locator('h1, h2').first().waitFor()
        await page.locator('#login button:enabled, #reference h2, .problem').first().waitFor()
        const seen = new Set<string>()

        for (let step = 0; step < 12; step += 1) {
          await page.keyboard.press('Tab')
          const { name, isMarked, isDocument } = await page.evaluate<Focus>(FOCUS)
          if (isDocument) break
          expect(isMarked, `${path}: no visible focus on ${name}`).toBe(true)
          seen.add(name)
        }

        expect([...seen][0]).toBe('Parley')
        expect(seen.size).toBeGreaterThan(4)
        expect(errors).toEqual([])
      },
    )

    test('the console calls an operation without a token', async () => {
      const { page, errors } = await visit('/docs/console', width)
      const operation = page.locator('#operations-system-getHealth')
      await operation.locator('.opblock-summary-control').click()
      await operation.getByRole('button', { name: 'Execute' }).click()
      const live = operation.locator('.live-responses-table')

      await live.waitFor()

      expect(await operation.locator('.request-url').innerText()).toContain('/api/v1/health')
      expect(await live.innerText()).toMatch(/"status": "up"/)
      expect(await isWithin(page, width)).toBe(true)
      expect(errors).toEqual([])
    })

    test('the console logs in by keyboard, calls operations, shows a whole stream and logs out', async () => {
      const { page, errors } = await visit('/docs/console', width)
      await logIn(page, ADMIN.password)
      await page.getByText('Logged in as admin@example.com').waitFor()

      expect(await execute(page, 'users-getProfile')).toContain('admin@example.com')
      const stream = await execute(page, 'chat-streamMessage', '{"message": "Hello!"}')
      expect(stream).toContain('event: message.start')
      expect(stream).toContain('event: message.end')
      // The console does not send the examples of `Idempotency-Key`, cursor and version.
      const another = await execute(page, 'chat-streamMessage', '{"message": "What can you do?"}')
      expect(another).toContain('event: message.end')
      expect(another).not.toContain('"Hello!"')
      expect(await execute(page, 'conversations-listConversations')).toContain('"data"')
      expect(await execute(page, 'system-getStatus')).toContain('"Parley"')
      expect(await isWithin(page, width)).toBe(true)
      expect(errors).toEqual([])

      await page.getByRole('button', { name: 'Log out' }).first().click()
      await page.getByText('Logged out.').waitFor()
      expect(await execute(page, 'users-getProfile')).toContain('"unauthenticated"')
    })

    test('the console shows the title of the problem for a wrong password', async () => {
      const { page } = await visit('/docs/console', width)
      await logIn(page, 'not the password')

      await page.getByText('Incorrect email or password.').waitFor()

      expect(await page.getByRole('textbox', { name: 'Password' }).isVisible()).toBe(true)
    })

    test.each([
      ['a token', '#auth-bearer-value', async () => (await tokens()).accessToken, 'Administrator'],
      ['an API key', '#api_key_value', async () => (await serviceAccount()).secret, 'Robot'],
    ] as const)(
      'the console calls with %s from its Authorize dialogue',
      async (_what, field, secretOf, name) => {
        const { page, errors } = await visit('/docs/console', width)
        await page.getByRole('button', { name: 'Authorize', exact: true }).click()
        const dialogue = page.locator('.dialog-ux')
        const scheme = dialogue.locator('.auth-container', { has: page.locator(field) })
        await scheme.locator(field).fill(await secretOf())
        await scheme.getByRole('button', { name: 'Apply' }).click()

        await dialogue.getByRole('button', { name: 'Close' }).first().click()

        expect(await execute(page, 'users-getProfile')).toContain(name)
        expect(errors).toEqual([])
      },
    )
  })

  const serviceAccount = () => createServiceAccount(server, ['profile:read'])

  async function tokens(): Promise<{ accessToken: string }> {
    const reply = await server.anonymous.call('logIn', { body: ADMIN })
    return reply.body as { accessToken: string }
  }
})

type Focus = { name: string; isMarked: boolean; isDocument: boolean }

/** Returns the focused element, and whether its focus is visible. */
const FOCUS = `(() => {
  const one = document.activeElement
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one)
  return {
    name: one.textContent.trim() || one.name || one.getAttribute('aria-label') || one.tagName,
    isMarked: (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none',
    isDocument: one === document.body,
  }
})()`

const ADMIN_VARIABLES = { ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password }

async function logIn(page: Page, password: string): Promise<void> {
  await page.locator('#login button:enabled').waitFor()
  await page.getByLabel('Email').focus()
  await page.keyboard.type(ADMIN.email)
  await page.keyboard.press('Tab')
  await page.keyboard.type(password)
  await page.keyboard.press('Enter')
}

/** Opens an operation, executes it and returns the whole text of the response. */
async function execute(page: Page, operationId: string, body?: string): Promise<string> {
  const operation = page.locator(`#operations-${operationId}`)
  const button = operation.getByRole('button', { name: 'Execute' })
  if (!(await button.isVisible())) await operation.locator('.opblock-summary-control').click()
  // The response of an earlier call would be taken for that of this one.
  const clear = operation.getByRole('button', { name: 'Clear' })
  if (await clear.isVisible()) await clear.click()
  if (body !== undefined) await operation.locator('textarea.body-param__text').fill(body)
  await button.click()
  const live = operation.locator('.live-responses-table')
  await live.locator('.response-col_description pre').first().waitFor()
  return live.innerText()
}

async function isWithin(page: Page, width: number): Promise<boolean> {
  return (await page.evaluate<number>('document.documentElement.scrollWidth')) <= width
}

function distanceFromTop(page: Page, id: string): Promise<number> {
  const top = `document.getElementById(${JSON.stringify(id)}).getBoundingClientRect().top`
  return page.evaluate<number>(`Math.abs(${top})`)
}
