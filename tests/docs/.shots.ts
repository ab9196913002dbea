import { openBrowser, openPage } from '../support/browser.ts'
const origin = 'http://127.0.0.1:4555'
const browser = await openBrowser()
for (const width of [1280, 390, 320]) {
  for (const [name, path] of [
    ['reference', '/docs'],
    ['errors', '/docs#section/Errors'],
    ['streaming', '/docs#section/Streaming'],
    ['usage', '/docs#tag/users/operation/getUsage'],
    ['console', '/docs/console'],
    ['problem', '/docs/problems/token-expired'],
  ] as const) {
    const { page, complaints } = await openPage(browser, origin, width)
    await page.goto(origin + path)
    await page.waitForTimeout(2000)
    if (name === 'usage') {
      await page.evaluate(
        `document.querySelectorAll('[id="tag/users/operation/getUsage"] button[aria-expanded=false], [id="tag/users/operation/getUsage"] button').forEach(b=>b.click())`,
      )
      await page.waitForTimeout(500)
    }
    if (name === 'reference') {
      if (width < 1000) {
        await page.locator('body').screenshot
        await page.evaluate(
          `[...document.querySelectorAll('#reference div')].filter(d=>getComputedStyle(d).position==='fixed'&&d.querySelector('svg')).at(-1)?.click()`,
        )
        await page.waitForTimeout(500)
      } else {
        await page.getByPlaceholder('Search...').fill('thumb')
        await page.waitForTimeout(1500)
      }
    }
    if (name === 'console') {
      await page.getByLabel('Email').fill('admin@example.com')
      await page.getByLabel('Password').fill('the admin of docs')
      await page.keyboard.press('Enter')
      await page.waitForTimeout(1000)
      const op = page.locator('#operations-chat-streamMessage')
      await op.locator('.opblock-summary-control').click()
      await op.locator('textarea.body-param__text').fill('{"message": "Hello! My name is Ada."}')
      await page.screenshot({ path: `/tmp/docs-shots/console-open-${width}.png`, fullPage: false })
      await op.getByRole('button', { name: 'Execute' }).click()
      await page.waitForTimeout(4000)
      await op.screenshot({ path: `/tmp/docs-shots/console-stream-${width}.png` })
      await page.evaluate('scrollTo(0,0)')
      await page.getByRole('button', { name: 'Authorize', exact: true }).click()
      await page.waitForTimeout(300)
      await page.screenshot({ path: `/tmp/docs-shots/console-auth-${width}.png` })
      await page.getByRole('button', { name: 'Close' }).first().click()
    }
    await page.screenshot({ path: `/tmp/docs-shots/${name}-${width}.png` })
    console.log(
      width,
      name,
      await page.evaluate('document.documentElement.scrollWidth'),
      complaints,
    )
    await page.close()
  }
}
await browser.close()
