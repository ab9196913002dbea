/**
 * `npm run sdks [-- names]`: generates clients from the contract, compiles them with the strictest checks of
 * each language, and runs them against the server (docs/sdks.md). Each folder of scripts/sdks is a partner's
 * project: a manifest, the options of the generator, and a program that uses the generated client. The
 * generators and their dependencies come from npm, PyPI, Maven Central and the Go modules, and are kept in a
 * cache outside the repository. Needs Java 17 with Maven, Go 1.24 and Python 3.11 with venv. Exits 1 if a
 * step fails.
 */
import { rmSync } from 'node:fs'
import { copyFile, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { type Partner, partners } from './sdks/partners.ts'
import { run } from './support/processes.ts'
import { startServer } from './sdks/server.ts'

const STAGES = ['generated', 'compiled', 'scenario'] as const
type Stage = (typeof STAGES)[number]
/** The stages that succeeded, and the duration of the whole. */
type Outcome = { partner: Partner; reached: Set<Stage>; seconds: number }

const wanted = await choose(process.argv.slice(2))
const directory = await mkdtemp(join(tmpdir(), 'parley-sdks-'))
// Also runs when a signal ends this process.
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const server = await startServer(directory)
const outcomes: Outcome[] = []
// One after the other: a single compiler uses all of a small machine.
for (const partner of wanted) outcomes.push(await tryOut(partner))
await server.stop()
outcomes.forEach(tell)
process.exit(outcomes.every(isWhole) ? 0 : 1)

async function choose(names: string[]): Promise<Partner[]> {
  const all = await partners()
  const unknown = names.filter((name) => all.every((partner) => partner.name !== name))
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(', ')
    console.error(`Unknown: ${unknown.join(', ')}. Choose from ${known}.`)
    process.exit(1)
  }
  return all.filter(({ name }) => names.length === 0 || names.includes(name))
}

async function tryOut(partner: Partner): Promise<Outcome> {
  const { name, generate, compile, scenario } = partner
  console.log(`\n--- ${name}`)
  const startedAtMs = performance.now()
  const outcome: Outcome = { partner, reached: new Set(), seconds: 0 }
  const project = join(directory, name)
  try {
    await cp(join(packageRoot, 'scripts/sdks', name), project, { recursive: true })
    await copyFile(join(packageRoot, 'openapi/api.yaml'), join(project, 'api.yaml'))
    await partner.prepare()
    for (const command of generate) await run(command, project)
    outcome.reached.add('generated')
    for (const command of compile) await run(command, project)
    outcome.reached.add('compiled')
    const env = {
      PARLEY_URL: server.url,
      PARLEY_EMAIL: `${name}@example.com`,
      PARLEY_PASSWORD: 'correct horse battery staple',
    }
    await run({ ...scenario, env }, project, (line) => console.log(`    ${line}`))
    outcome.reached.add('scenario')
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    console.error(server.logged().join('\n'))
  }
  outcome.seconds = Math.round((performance.now() - startedAtMs) / 1000)
  await rm(project, { recursive: true, force: true })
  return outcome
}

function isWhole({ reached }: Outcome): boolean {
  return STAGES.every((stage) => reached.has(stage))
}

function tell(outcome: Outcome): void {
  const { partner, reached, seconds } = outcome
  if (partner === wanted[0]) console.log('')
  const stages = STAGES.map((stage) => (reached.has(stage) ? stage : `NOT ${stage}`))
  const columns = [partner.name.padEnd(26), `${partner.generator} ${partner.version}`.padEnd(40)]
  const mark = isWhole(outcome) ? 'ok      ' : 'FAILED  '
  console.log(`${mark}${columns.join('')}${stages.join(', ')} (${seconds} s)`)
}
