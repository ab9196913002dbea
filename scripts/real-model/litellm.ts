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
/** A model behind the proxy, and the longest input that the proxy accepts for it. */
export type ProxiedModel = { name: string; maxInputTokens: number }

/**
 * Starts LiteLLM's proxy in front of a model server, on a free port of the loopback. Installs the proxy
 * from PyPI into a cache outside the repository if it is not there yet; needs Python 3 with venv.
 * @param upstreamUrl the base URL of the model server
 * @param models the models of that server, the default first
 * @throws if the proxy cannot be installed or does not start
 */
export async function startLiteLlm(
  upstreamUrl: string,
  models: readonly ProxiedModel[],
): Promise<Proxy> {
  const venv = await install()
  const port = await freePort()
  const configuration = join(venv, `proxy-${port}.json`)
  await writeFile(configuration, JSON.stringify(configurationOf(upstreamUrl, models)))
  const host = '127.0.0.1'
  const parameters = ['--config', configuration, '--host', host, '--port', String(port)]
  // The proxy must fetch no price list and send no telemetry.
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
    throw new Error(`LiteLLM's proxy did not start: see ${venv}/proxy.log`, {
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

function configurationOf(upstreamUrl: string, models: readonly ProxiedModel[]) {
  return {
    model_list: models.map(({ name, maxInputTokens }) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: upstreamUrl, api_key: 'none' },
      model_info: { max_input_tokens: maxInputTokens },
    })),
    general_settings: { master_key: KEY },
    // The model server responds to an input that is too long with an empty 200, so the proxy must refuse it.
    router_settings: { enable_pre_call_checks: true },
    // Retries by the proxy would hide how Parley handles a refusal.
    litellm_settings: { num_retries: 0, request_timeout: 120 },
  }
}
