// First: it must listen to signals before anything else takes time.
import { startIsOver } from './assembly/stop-before-start.ts'
import { type Config, loadServerConfig, type ServerConfig } from './config/config.ts'
import { loadContract } from './contract/document.ts'
import { listenAll, refuseTakenPorts } from './assembly/listening.ts'
import { createParley, loadPolicies, type Parley } from './assembly/parley.ts'
import { systemClock } from './ports/clock/clock.ts'
import { StartRefused } from './ports/start-refused.ts'
import { refusalByDatabase } from './store/store.ts'
import { introduction, welcome } from './assembly/welcome.ts'

/** Exit codes: 0 after a clean drain, 1 if the grace period was over or the start failed. */
async function main(): Promise<void> {
  // Parsed once and passed on: that takes a fifth of a second.
  const contract = loadContract()
  const config = await loadServerConfig(Object.keys(loadPolicies(contract).limits))
  await refuseTakenPorts(config)
  const advice = await tryRedisOf(config)
  const parley = await createParley(config, { contract, show: (admin) => say(introduction(admin)) })
  logLeftOut(parley, config)
  for (const sentence of advice) parley.deps.log.warn(sentence)
  exitOnUnexpectedError(parley)
  stopOnSignal(parley, config)
  await say(welcome(config, await listenOrClose(parley, config), parley.access))
  await parley.warmUp()
}

/** Runs before anything is made that a failed start would leave behind. Loads the client only if needed. */
async function tryRedisOf({ store: { redisUrl } }: Config): Promise<string[]> {
  if (redisUrl === undefined) return []
  const { tryRedis } = await import('./ports/redis/trial.ts')
  return tryRedis(redisUrl, systemClock)
}

function logLeftOut({ deps }: Parley, { leftOut }: ServerConfig): void {
  if (leftOut.length === 0) return
  deps.log.debug(
    { variables: leftOut },
    'ignored variables that Kubernetes or Docker injected for services',
  )
}

/** A start that fails at this point releases DATA_DIR. */
async function listenOrClose(parley: Parley, config: Config) {
  try {
    return await listenAll(parley, config)
  } catch (error) {
    await parley.stop(0).catch(() => undefined)
    throw error
  }
}

/** Resolves when the text is written: what is shown once must not be lost. */
function say(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stderr.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

function stopOnSignal(parley: Parley, config: Config): void {
  let stopping = false
  const stop = (): void => {
    if (stopping) process.exit(1)
    stopping = true
    parley.stop(config.server.shutdownGraceSeconds).then(
      (outcome) => {
        process.exit(outcome === 'clean' ? 0 : 1)
      },
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  startIsOver()
}

/** A program in an unknown state must not go on: it logs once and exits; its supervisor restarts it. */
function exitOnUnexpectedError({ deps }: Parley): void {
  const exit = (error: unknown): void => {
    deps.log.fatal({ err: error }, 'unexpected exception')
    deps.log.flush(() => process.exit(1))
  }
  process.on('uncaughtException', exit)
  process.on('unhandledRejection', exit)
}

main().catch((error: unknown) => {
  process.stderr.write(`Parley did not start.\n${describe(error)}\n`)
  process.exit(1)
})

/** A sentence for what an operator can mend; the stack for anything else. */
function describe(error: unknown): string {
  const expected = error instanceof StartRefused ? error : refusalByDatabase(error)
  if (expected) return expected.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
