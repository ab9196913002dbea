import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/package-root.ts'
import { newSigningKeysText } from '../src/ports/signing-keys.ts'
import { run } from './sdks/processes.ts'
import { prepareCommon } from './bench/contenders.ts'
import { startGenerator } from './bench/generator.ts'
import { middleOf, ratioOf } from './bench/rounds.ts'
import { measureWithDatabase } from './bench/with-database.ts'

await run({ program: 'npm', parameters: ['run', 'build'], limitMs: 120_000 }, packageRoot)
const directory = await mkdtemp(join(tmpdir(), 'parley-bench-'))
const generator = startGenerator()
try {
  const common = await prepareCommon(directory, await newSigningKeysText())
  const effort = { rounds: 2, seconds: 0.5, connections: 16 , serverUrl: process.env.TEST_DATABASE_URL!, pacedSeconds: 5, withFlask: true}
  const {samples, latencies} = await measureWithDatabase(generator, common, effort)
  for (const [name, loads] of samples) for (const load of loads.keys()) console.log(name, load, middleOf(samples, name, load), JSON.stringify(ratioOf(samples, 'parley', name, load)))
  console.log(latencies)
} finally {
  generator.stop()
  await rm(directory, { recursive: true, force: true })
}
