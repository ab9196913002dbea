/**
 * `npm run bench:scale [-- --quick] [-- --part streams|messages|readers|operations|processes|start-up]`:
 * measures what a call costs at larger sizes, how long other callers wait during large reads, how soon the
 * server is ready, and how big it is (docs/performance.md). Needs Linux and the PostgreSQL of
 * BENCH_DATABASE_URL, or else TEST_DATABASE_URL, on which it creates databases and removes them. Takes at
 * most eight minutes; full runs write their numbers into docs/performance.md.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../../src/lib/package-root.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { prepareCommon } from './bench/contenders.ts'
import { createTemplate } from './bench/database.ts'
import { startGenerator } from './bench/generator.ts'
import { describeMachine } from './bench/machine.ts'
import { aboutMachine, table, targetsTable, withPart } from './bench/page.ts'
import { run } from '../support/processes.ts'
import type { Chapter } from './scale/chapter.ts'
import { measureMessages } from './scale/messages.ts'
import { measureOperations } from './scale/operations.ts'
import { measureProcesses } from './scale/processes.ts'
import { measureReaders } from './scale/readers.ts'
import { measureStartUp } from './scale/start-up.ts'
import { measureStreams } from './scale/streams.ts'

const BUILD_LIMIT_MS = 120_000
const WHOLE = {
  ...{ rounds: 5, starts: 5, seconds: 1.2, loadSeconds: 10, connections: 16 },
  ...{ tries: 50, streams: [1, 10, 100, 1_000, 5_000] },
  ...{ calls: 60, messages: [1_000, 10_000, 100_000, 1_000_000], questions: 100 },
}
const QUICK = {
  ...{ rounds: 1, starts: 1, seconds: 0.2, loadSeconds: 1, connections: 8 },
  ...{ tries: 5, streams: [1, 10, 100], calls: 10, messages: [1_000, 10_000], questions: 20 },
}

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, part: { type: 'string' } },
})
const effort = options.quick ? QUICK : WHOLE
const serverUrl = process.env['BENCH_DATABASE_URL'] ?? process.env['TEST_DATABASE_URL']
if (serverUrl === undefined) throw new Error('BENCH_DATABASE_URL=postgresql://… is not set.')

const machine = await describeMachine(serverUrl)
await run({ program: 'npm', parameters: ['run', 'build'], limitMs: BUILD_LIMIT_MS }, packageRoot)
const directory = await mkdtemp(join(tmpdir(), 'parley-scale-'))
const common = await prepareCommon(directory, await newSigningKeysText())
const template = await createTemplate(serverUrl, common.secret)
const generator = startGenerator()
const parts = {
  streams: () => measureStreams(common, template, effort),
  messages: () => measureMessages(common, template, generator, effort),
  readers: () => measureReaders(common, template, effort),
  operations: () => measureOperations(common, generator, effort),
  processes: () => measureProcesses(common, template, effort),
  'start-up': () => measureStartUp(common, template, generator, effort),
}
const wanted = Object.entries(parts).filter(([name]) => [name, undefined].includes(options.part))
if (wanted.length === 0) throw new Error(`--part is one of ${Object.keys(parts).join(', ')}.`)

try {
  const chapters: Chapter[] = []
  for (const [name, measure] of wanted) {
    console.error(name)
    chapters.push(await measure())
  }
  const numbers = numbersOf(chapters)
  console.log(numbers)
  if (!options.quick && options.part === undefined) await publish(numbers)
} finally {
  generator.stop()
  await template.drop()
  await rm(directory, { recursive: true, force: true })
}

function numbersOf(chapters: readonly Chapter[]): string {
  return [
    `${aboutMachine(machine)}.`,
    '### Targets of growth and size',
    targetsTable(chapters.flatMap(({ targets }) => targets)),
    ...chapters.flatMap(({ title, text, heads, rows, after }) => [
      `### ${title}`,
      text,
      table(heads, rows),
      ...(after === undefined ? [] : [after]),
    ]),
  ].join('\n\n')
}

async function publish(numbers: string): Promise<void> {
  const page = join(packageRoot, 'docs/performance.md')
  const text = withPart(await readFile(page, 'utf8'), 'numbers of npm run bench:scale', numbers)
  await writeFile(page, text)
}
