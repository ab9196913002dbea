import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package-root.ts'
import { freePort } from '../../tests/support/wire/free-port.ts'
import { madeOnce } from '../support/made-once.ts'
import { start, stop } from '../support/processes.ts'
import { makeVenv } from '../support/python.ts'
import { untilItAnswers } from './answering.ts'

const REQUIREMENTS = join(packageRoot, 'scripts/real-model/litellm-requirements.txt')
const INSTALL_LIMIT_MS = 10 * 60_000
const STOP_LIMIT_MS = 5_000
const KEY = 'sk-the-key-of-the-proxy'

export type Proxy = { url: string; key: string; stop(): Promise<void> }
/** A model behind, and how many tokens the proxy lets it be asked. */
export type Behind = { name: string; maxInputTokens: number }

/**
 * LiteLLM's proxy in front of a model server, on a free port of the loopback. Installs it from PyPI into
 * a cache outside the repository where that was not done before: Python 3 with venv is needed.
 * @param behind the model server's base URL
 * @param models those that it has, the default first
 * @throws where it cannot be installed or does not start
 */
export async function startLiteLlm(behind: string, models: readonly Behind[]): Promise<Proxy> {
  const venv = await install()
  const port = await freePort()
  const configuration = join(venv, `proxy-${port}.json`)
  await writeFile(configuration, JSON.stringify(configurationOf(behind, models)))
  const host = '127.0.0.1'
  const parameters = ['--config', configuration, '--host', host, '--port', String(port)]
  // Neither its list of prices nor its makers are asked for anything.
  const own = { LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_TELEMETRY: 'False' }
  const program = join(venv, 'bin/litellm')
  const child = start({ program, parameters, env: { ...process.env, ...own } }, venv)
  const log = createWriteStream(join(venv, 'proxy.log'))
  child.stdout?.pipe(log, { end: false })
  child.stderr?.pipe(log, { end: false })
  const url = `http://${host}:${port}/v1`
  try {
    await untilItAnswers(url, child, KEY)
  } catch (error) {
    await stop(child, STOP_LIMIT_MS)
    throw new Error(`LiteLLM's proxy did not start; it said so in ${venv}/proxy.log`, {
      cause: error,
    })
  }
  return {
    url,
    key: KEY,
    async stop() {
      await stop(child, STOP_LIMIT_MS)
      await rm(configuration)
    },
  }
}

async function install(): Promise<string> {
  const pinned = await readFile(REQUIREMENTS)
  const digest = createHash('sha256').update(pinned).digest('hex').slice(0, 16)
  const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-litellm')
  const venv = join(cache, digest)
  await madeOnce(venv, async () => {
    console.error(`Installing LiteLLM's proxy into ${venv}`)
    const pip = ['--no-deps', '--only-binary', ':all:', '-r', REQUIREMENTS]
    await makeVenv(venv, { pip, limitMs: INSTALL_LIMIT_MS })
  })
  return venv
}

function configurationOf(behind: string, models: readonly Behind[]) {
  return {
    model_list: models.map(({ name, maxInputTokens }) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: behind, api_key: 'none' },
      model_info: { max_input_tokens: maxInputTokens },
    })),
    general_settings: { master_key: KEY },
    // The server behind answers too long a request with 200 and nothing, so the proxy has to refuse it.
    router_settings: { enable_pre_call_checks: true },
    // What it tried again by itself would hide what Parley makes of a refusal.
    litellm_settings: { num_retries: 0, request_timeout: 120 },
  }
}
