import { expect, test } from 'vitest'
import { jsonLine } from '../../src/lib/json-line.ts'
import { createLog } from '../../src/ports/observability/log.ts'

/** The line ends of Python's `str.splitlines`, with which httpx and requests split lines. */
const LINE_ENDS = '\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029'
const TEXT = `a${[...LINE_ENDS].join('b')}c 한 🙂 \\u2028`

test('a value is one line for every reader and parses to the same value', () => {
  const line = jsonLine({ [TEXT]: TEXT })

  for (const end of LINE_ENDS) expect(line).not.toContain(end)
  expect(JSON.parse(line)).toEqual({ [TEXT]: TEXT })
})

test('a log entry is one line for every reader', () => {
  const written: string[] = []
  const log = createLog('info', { write: (line: string) => void written.push(line) })

  log.info({ text: TEXT }, TEXT)
  log.error({ err: new Error(TEXT) }, 'failed')

  expect(written).toHaveLength(2)
  for (const line of written) {
    expect(line.at(-1)).toBe('\n')
    for (const end of LINE_ENDS) expect(line.slice(0, -1)).not.toContain(end)
  }
  expect(JSON.parse(written[0]!)).toMatchObject({ text: TEXT, msg: TEXT })
})
