import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** The browser to test with: `CHROMIUM_PATH`, by default where Debian installs it. */
const CHROMIUM_PATH = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

/** Why this machine cannot open a page; undefined if it can. */
export const noBrowser: string | undefined = existsSync(CHROMIUM_PATH)
  ? undefined
  : `no Chromium at ${CHROMIUM_PATH}; set CHROMIUM_PATH`

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts headless Chromium with a temporary profile. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM_PATH,
    headless: true,
    chromiumSandbox: false,
    args: ARGUMENTS,
  })
}

/** A page and its errors so far: console messages, exceptions, failed requests, requests to other origins. */
export type WatchedPage = { page: Page; errors: string[] }

/** Opens an empty page, `width` CSS pixels wide, that may load from `origin` alone. */
export async function openPage(
  browser: Browser,
  origin: string,
  width: number,
): Promise<WatchedPage> {
  const page = await browser.newPage({ viewport: { width, height: 900 } })
  const complaints: string[] = []
  page.on('console', (line) => {
    const type = line.type()
    if (type === 'error' || type === 'warning') complaints.push(`${type}: ${line.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.message}`))
  page.on('requestfailed', (request) => {
    complaints.push(`failed: ${request.url()} ${request.failure()?.errorText ?? ''}`)
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    const own = url.origin === origin || url.protocol === 'blob:' || url.protocol === 'data:'
    if (!own) complaints.push(`elsewhere: ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400)
      complaints.push(`answered ${response.status()}: ${response.url()}`)
  })
  return { page, errors: complaints }
}
