import { STATUS_CODES } from 'node:http'
import type { ProblemCode } from '../../../generated/api.ts'
import { PROBLEMS } from '../../domain/problem.ts'
import { escapeHtml, pageHtml } from './pages.ts'

/** A row of the table of errors: | status | `code` | what happened, and what to do | */
const ROW = /^\| *(\d{3}) *\| *`([a-z-]+)` *\| *(.+?) *\|$/gm

/**
 * One page for each code of ProblemCode: the place that `type` of a problem names.
 * @param prose the description of the contract, which holds the table of errors
 * @throws when the table lacks a code, or gives it another status than the server answers
 */
export function problemPages(prose: string): ReadonlyMap<string, string> {
  const rows = new Map(
    [...prose.matchAll(ROW)].map(([, status = '', code = '', text = '']) => [
      code,
      { status: Number(status), text },
    ]),
  )
  const codes = Object.keys(PROBLEMS) as ProblemCode[]
  const pages = codes.map((code) => {
    const row = rows.get(code)
    if (row?.status === PROBLEMS[code].status) return [code, problemPage(code, row.text)] as const
    throw new Error(`openapi/api.yaml: no row for ${code} in the table of errors`)
  })
  return new Map(pages)
}

function problemPage(code: ProblemCode, text: string): string {
  const { status, title, retryable } = PROBLEMS[code]
  const again = retryable
    ? 'Yes. If the response has <code>Retry-After</code>, wait that many seconds first.'
    : 'No. Fix the cause first.'
  const body = [
    '<main class="problem">',
    `<p class="status">${status} ${escapeHtml(STATUS_CODES[status] ?? '')}</p>`,
    `<h1><code>${code}</code></h1>`,
    `<p class="title">${escapeHtml(title)}</p>`,
    '<h2>What happened and what to do</h2>',
    `<p>${inlineCode(text)}</p>`,
    '<h2>Can you retry the same request?</h2>',
    `<p>${again}</p>`,
    '<p>When you ask for help, quote the <code>requestId</code> of the response.</p>',
    '<p><a href="/docs#section/Errors">All errors</a></p>',
    '</main>',
  ]
  return pageHtml({ title: `${code} – Parley`, body: body.join('\n') })
}

/** The only markup in the table: `code` in backticks. */
function inlineCode(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}
