import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noBrowser, openBrowser, openPage } from '../support/browser.ts'
import { startServer, type TestServer } from '../support/server.ts'

type Seen = { ids: string[]; names: string[]; text: string; stored: string }

describe.skipIf(noBrowser)(
  `a stream in a browser${noBrowser ? ` (skipped: ${noBrowser})` : ''}`,
  () => {
    let server: TestServer
    let browser: Browser
    beforeAll(async () => {
      server = await startServer()
      browser = await openBrowser()
    })
    afterAll(async () => {
      await browser.close()
      await server.close()
    })

    test('yields the stored answer when it is cut and resumed', async () => {
      const alice = await server.createUser()
      const { page } = await openPage(browser, server.url, 1280)
      await page.goto(`${server.url}/docs`)

      for (const cutAfter of [1, 2, 5]) {
        const seen = await page.evaluate(readAndResume, { ...alice.credentials, cutAfter })
        expect(seen.text).toBe(seen.stored)
        expect(seen.names.at(-1)).toBe('message.end')
        expect(seen.ids).toEqual(seen.ids.map((_, i) => String(i + 1)))
      }

      await page.close()
    })
  },
)

/** Runs in the page: reads some events, disconnects, and resumes after the last one. */
async function readAndResume(options: { Authorization?: string; cutAfter: number }): Promise<Seen> {
  const headers = { Authorization: options.Authorization ?? '', 'Content-Type': 'application/json' }
  const seen: Seen = { ids: [], names: [], text: '', stored: '' }
  let lastId = ''
  const read = async (response: Response, most: number): Promise<void> => {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let buffer = ''
    for (let count = 0; count < most;) {
      const { done, value } = await reader.read()
      if (done) return
      buffer += value
      const blocks = buffer.split('\n\n')
      buffer = blocks.pop() ?? ''
      for (const block of blocks.slice(0, most - count)) {
        const [name, id, data] = block.split('\n').map((line) => line.slice(line.indexOf(': ') + 2))
        const event = JSON.parse(data ?? '') as { text?: string; message?: { content: string } }
        lastId = id ?? ''
        seen.ids.push(lastId.split(':')[1] ?? '')
        seen.names.push(name ?? '')
        seen.text += event.text ?? ''
        seen.stored = event.message?.content ?? ''
        count += 1
      }
    }
  }
  const abortController = new AbortController()
  const body = JSON.stringify({ message: 'What can you do? 무엇을 할 수 있어?' })
  const request = { method: 'POST', headers, body, signal: abortController.signal }
  await read(await fetch('/api/v1/chat/stream', request), options.cutAfter)
  abortController.abort()
  const generationId = lastId.split(':')[0] ?? ''
  const resumption = { headers: { ...headers, 'Last-Event-ID': lastId } }
  await read(await fetch(`/api/v1/chat/generations/${generationId}/stream`, resumption), Infinity)
  return seen
}
