import { familiesOf, type Outcome, type UpstreamCase } from './upstream-cases.ts'

/** Between these lines, `docs/upstreams.md` is generated from the files. */
const BEGIN = '<!-- cases: begin -->'
const END = '<!-- cases: end -->'

/** Returns the document with the list of cases from the files. @throws if a marker is missing */
export function withCases(document: string, cases: readonly UpstreamCase[]): string {
  const [before, rest] = split(document, BEGIN)
  const [, after] = split(rest, END)
  const tables = [...familiesOf(cases)].map(([family, ofFamily]) => tableOf(family, ofFamily))
  return [before + BEGIN, ...tables, END + after].join('\n\n')
}

/** Returns the folders that the table of families names. @throws if a marker is missing */
export function familiesIn(document: string): string[] {
  const [, rest] = split(document, '<!-- families: begin -->')
  const [table] = split(rest, '<!-- families: end -->')
  return [...table.matchAll(/^\| [^|]+ \| `([^`|]+)` \|/gm)].map(([, folder]) => folder!)
}

function split(text: string, marker: string): [string, string] {
  const at = text.indexOf(marker)
  if (at === -1) throw new Error(`The document has no line ${marker}`)
  return [text.slice(0, at), text.slice(at + marker.length)]
}

function tableOf(family: string, cases: readonly UpstreamCase[]): string {
  const rows = cases.map(({ name, fact, source, parley }) => {
    const file = `[${name}](../tests/engine/upstreams/${family}/${name}.yaml)`
    return `| ${file} | ${cell(fact)} ([source](${source})) | ${cell(outcomeOf(parley))} |`
  })
  const head = ['| case | known behaviour | what the caller gets |', '|---|---|---|']
  return [`### \`${family}\``, '', ...head, ...rows].join('\n')
}

/** Escapes what a table cell cannot contain. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

function outcomeOf(parley: Outcome): string {
  return parley.problem === undefined ? answerOf(parley) : failureOf(parley)
}

function answerOf({ finishReason, usage, asks = 1, remembered, ...rest }: Outcome): string {
  const reason = finishReason === 'unknown' ? 'no `finishReason`' : `\`${finishReason}\``
  const notes = [
    `the answer, ${reason}, ${usage?.['source'] === 'upstream' ? 'reported' : 'estimated'} tokens`,
    ...(rest.omittedMessages === undefined ? [] : ['without the oldest messages']),
    ...(asks > 1 ? [`at the ${ordinal(asks)} request`] : []),
    ...(remembered ? ['later calls need one'] : []),
  ]
  return notes.join('; ')
}

function failureOf({ problem, retryable, text }: Outcome): string {
  const kept = text === undefined ? '' : '; the text so far is kept as `failed`'
  return `\`${problem}\`, ${retryable ? 'retryable' : 'final'}${kept}`
}

function ordinal(n: number): string {
  return ['', 'first', 'second', 'third'][n] ?? `${n}th`
}
