/**
 * `npm run fuzz [-- user|admin|service-account] [--seed N] [--max-examples N]`: runs all checks and phases
 * of Schemathesis on the whole contract, as each of these callers. Installs Schemathesis from PyPI into a
 * cache outside the repository; needs Python 3 with venv. Builds the server and starts it on a new embedded
 * database for each caller. Fails on a failed check, a 5xx, and a contract violation or unexpected failure
 * in the server's log. docs/testing.md explains the output.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/lib/package-root.ts'
import { startBuiltServer } from './support/built-server.ts'
import { type FuzzFailure, readTally, summaryOf } from './fuzz/summary.ts'
import { run } from './support/processes.ts'
import { makeVenv } from './support/python.ts'

const PRINCIPALS = ['user', 'admin', 'service-account'] as const
type Principal = (typeof PRINCIPALS)[number]

const INSTALL_LIMIT_MS = 5 * 60_000
const RUN_LIMIT_MS = 5 * 60_000
const ADMIN = { email: 'root@example.com', password: 'the root of the fuzz' }
const WALKS = 5
const WALK_ONLY = ['--phases', 'stateful', '--warnings', 'off']
const NO_QUOTA = 1_000_000

/** The server has no rate limits and a low cost of password hashing. Everything else is as operators run it. */
const SETTINGS = {
  TRUST_PROXY: '1',
  ADMIN_EMAIL: ADMIN.email,
  ADMIN_PASSWORD: ADMIN.password,
  REGISTRATION: 'open',
  BCRYPT_COST: '4',
  MAX_OPEN_STREAMS: '1000',
  RATE_LIMIT_ANONYMOUS: `${NO_QUOTA}/3600`,
  RATE_LIMIT_USER: `${NO_QUOTA}/3600`,
  RATE_LIMIT_CHAT: `${NO_QUOTA}/60`,
  RATE_LIMIT_SIGN_IN_ADDRESS: `${NO_QUOTA}/900`,
  RATE_LIMIT_SIGN_IN_ACCOUNT: `${NO_QUOTA}/900`,
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    'max-examples': { type: 'string' },
  },
})
const chosen = PRINCIPALS.filter((name) => positionals.length === 0 || positionals.includes(name))
if (chosen.length === 0)
  throw new Error(`Choose from ${PRINCIPALS.join(', ')}, or name none to run all.`)

const firstSeed = Number(options.seed)
if (!Number.isSafeInteger(firstSeed)) throw new Error('--seed must be an integer.')

const sources = join(packageRoot, 'scripts/fuzz')
const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-fuzz')
const bin = join(cache, 'venv/bin')

await install()
const build = { program: 'npm', parameters: ['run', '--silent', 'build'] }
await run({ ...build, limitMs: INSTALL_LIMIT_MS }, packageRoot)
const failures: FuzzFailure[] = []
for (const principal of chosen) failures.push(...(await fuzzAs(principal)))
for (const { principal, text } of failures) console.error(`FAILED  ${principal}: ${text}`)
process.exitCode = failures.length > 0 ? 1 : 0

/** Does nothing if the same requirements are already installed. */
async function install(): Promise<void> {
  const done = join(cache, 'installed.txt')
  const requirements = join(sources, 'requirements.txt')
  const wanted = await readFile(requirements, 'utf8')
  if ((await readFile(done, 'utf8').catch(() => '')) === wanted) return
  await rm(cache, { recursive: true, force: true })
  await mkdir(cache, { recursive: true })
  const pip = ['-r', requirements]
  await makeVenv(join(cache, 'venv'), { pip, limitMs: INSTALL_LIMIT_MS })
  await writeFile(done, wanted)
}

async function fuzzAs(principal: Principal): Promise<FuzzFailure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-fuzz-'))
  const server = await startBuiltServer(folder, SETTINGS)
  const tally = join(folder, 'tally.json')
  console.log(`\n=== ${principal}, --seed ${firstSeed}`)
  try {
    const at = { principal, origin: server.origin }
    let code = await schemathesis({ ...at, tally, seed: firstSeed })
    // A walk along the links ends early: as soon as a retried call gets a different response.
    for (let walk = 1; walk <= WALKS && code === 0; walk++) {
      const notes = join(folder, `walk-${walk}.json`)
      code = await schemathesis({ ...at, tally: notes, seed: firstSeed + walk }, WALK_ONLY)
    }
    await server.stop()
    const log = await readFile(server.log, 'utf8')
    return summaryOf({ principal, code, tally: await readTally(tally), log })
  } finally {
    await server.stop()
    await rm(folder, { recursive: true })
  }
}

type Run = { principal: Principal; origin: string; tally: string; seed: number }

/** Returns the exit code; 1 if the time limit was exceeded. */
async function schemathesis(
  { principal, origin, tally, seed }: Run,
  more: readonly string[] = [],
): Promise<number> {
  const flags = ['--checks', 'all', '--continue-on-failure', '--no-color', '--seed', String(seed)]
  const examples = options['max-examples']
  if (examples !== undefined) flags.push('--max-examples', examples)
  const location = `${origin}/openapi.yaml`
  const child = spawn(
    join(bin, 'schemathesis'),
    ['--config-file', 'schemathesis.toml', 'run', location, ...flags, ...more],
    {
      cwd: sources,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: RUN_LIMIT_MS,
      env: {
        ...process.env,
        PYTHONPATH: sources,
        PYTHONDONTWRITEBYTECODE: '1',
        HYPOTHESIS_STORAGE_DIRECTORY: join(cache, 'hypothesis'),
        PARLEY_ORIGIN: origin,
        PARLEY_PRINCIPAL: principal,
        PARLEY_ADMIN_EMAIL: ADMIN.email,
        PARLEY_ADMIN_PASSWORD: ADMIN.password,
        PARLEY_TALLY: tally,
      },
    },
  )
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
