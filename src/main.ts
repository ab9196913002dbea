import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Config, ConfigMistakes, loadConfig } from './config.ts'
import { loadContract } from './contract/document.ts'
import { createParley, loadPolicies, type Parley } from './parley.ts'
import { welcome } from './welcome.ts'

/** Exit codes: 0 after a clean drain, 1 when the grace was over or the start failed. */
async function main(): Promise<void> {
  // Reading it takes a fifth of a second: once is enough.
  const contract = loadContract()
  const config = loadConfig(Object.keys(loadPolicies(contract).limits))
  const parley = await createParley(config, { contract })
  dieOnMistake(parley)
  stopOnSignal(parley, config)
  process.stderr.write(welcome(config, await listenAll(parley, config), parley.firstAdmin))
  await parley.warmUp()
}

/** Whoever watches may look from the first call on. */
async function listenAll({ server, metricsServer }: Parley, config: Config) {
  const { metrics, ...api } = config.server
  return {
    metrics: metricsServer && metrics && (await listen(metricsServer, metrics)),
    api: await listen(server, api),
  }
}

/** Connections that wait for the server to take them: a crowd must not keep others out. */
const BACKLOG = 4_096

/** @returns the port that it listens on */
function listen(server: Server, { port, host }: { port: number; host: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, BACKLOG, () => {
      resolve((server.address() as AddressInfo).port)
    })
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
}

/** A program in an unknown state must not go on: it logs once and ends; its supervisor restarts it. */
function dieOnMistake({ deps }: Parley): void {
  const die = (error: unknown): void => {
    deps.log.fatal({ err: error }, 'unexpected exception')
    deps.log.flush(() => process.exit(1))
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
}

main().catch((error: unknown) => {
  const text = error instanceof ConfigMistakes ? error.message : describe(error)
  process.stderr.write(`Parley did not start.\n${text}\n`)
  process.exit(1)
})

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
