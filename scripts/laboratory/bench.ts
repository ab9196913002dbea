/**
 * `npm run bench [-- --quick] [-- --part without-database|with-database]`: measures how fast Parley is, beside
 * servers that do the same (docs/performance.md explains the numbers, docs/testing.md how to run it).
 * Installs the peers from npm and PyPI into a cache outside the repository; needs Linux, and Python 3
 * with venv for one of them. The part with a database creates databases on the PostgreSQL of
 * BENCH_DATABASE_URL, or else TEST_DATABASE_URL, and removes them. Takes at most ten minutes; full runs
 * write their numbers into docs/performance.md and docs/performance.svg.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../../src/lib/package-root.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { chartOf } from './bench/chart.ts'
import { prepareCommon } from './bench/contenders.ts'
import { startGenerator } from './bench/generator.ts'
import { describeMachine } from './bench/machine.ts'
import { withPart } from './bench/page.ts'
import { numbersOf } from './bench/report.ts'
import { summaryOf } from './bench/summary.ts'
import type { Measured } from './bench/targets.ts'
import { measureWithDatabase } from './bench/with-database.ts'
import { measureWithoutDatabase } from './bench/without-database.ts'
import { run } from '../support/processes.ts'

const BUILD_LIMIT_MS = 120_000
const PARTS = ['without-database', 'with-database']
const WHOLE = { rounds: 5, seconds: 1.2, connections: 16, pacedSeconds: 20, withFlask: true }
const QUICK = { rounds: 1, seconds: 0.2, connections: 8, pacedSeconds: 3, withFlask: false }

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, part: { type: 'string' } },
})
if (options.part !== undefined && !PARTS.includes(options.part)) {
  throw new Error(`--part is one of ${PARTS.join(', ')}.`)
}
const effort = options.quick ? QUICK : WHOLE
const serverUrl = process.env['BENCH_DATABASE_URL'] ?? process.env['TEST_DATABASE_URL']
const isWhole = !options.quick && options.part === undefined && serverUrl !== undefined
if (serverUrl === undefined && options.part !== 'without-database') {
  console.error('Without BENCH_DATABASE_URL=postgresql://… the part with a database is left out.')
}

const machine = { ...(await describeMachine(serverUrl)), ...effort }
await run({ program: 'npm', parameters: ['run', 'build'], limitMs: BUILD_LIMIT_MS }, packageRoot)
const directory = await mkdtemp(join(tmpdir(), 'parley-bench-'))
const generator = startGenerator()
try {
  const measured = await measureAll()
  const numbers = numbersOf(measured, machine)
  console.log(numbers)
  if (isWhole) await publish(measured, numbers)
} finally {
  generator.stop()
  await rm(directory, { recursive: true, force: true })
}

async function measureAll(): Promise<Measured> {
  const common = await prepareCommon(directory, await newSigningKeysText())
  const measured: Measured = {}
  if (options.part !== 'with-database') {
    console.error('Without the database')
    measured.without = await measureWithoutDatabase(generator, common, effort)
  }
  if (options.part !== 'without-database' && serverUrl !== undefined) {
    console.error('With the database')
    const { samples, latencies } = await measureWithDatabase(generator, common, {
      ...effort,
      serverUrl,
    })
    Object.assign(measured, { with: samples, latencies })
  }
  return measured
}

async function publish(measured: Measured, numbers: string): Promise<void> {
  const page = join(packageRoot, 'docs/performance.md')
  const summary = summaryOf(measured, machine)
  const text = withPart(await readFile(page, 'utf8'), 'summary of npm run bench', summary)
  await writeFile(page, withPart(text, 'numbers of npm run bench', numbers))
  await writeFile(join(packageRoot, 'docs/performance.svg'), chartOf(measured))
}
