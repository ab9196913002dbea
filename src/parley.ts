import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import { type Contract, loadContract } from './contract/document.ts'
import { parsePolicies, type Policies } from './contract/policies.ts'
import type { Operations } from './contract/types.ts'
import { agreeOnTime, type Dependencies, type Given, openDependencies } from './dependencies.ts'
import { type FirstAdmin, makeFirstAdmin } from './domain/first-admin.ts'
import { STATUS_OF } from './domain/problem.ts'
import { createServices, type Services } from './domain/services.ts'
import type { ValidAnswer } from './http/answer-guard.ts'
import { createServer } from './http/server.ts'
import { createOperations } from './operations/index.ts'
import { packageRoot } from './package-root.ts'
import { stopServing } from './stop-serving.ts'

const SIGN_IN_DELAY_STEP_MS = 500
const HOUR_MS = 3_600_000
/** A clock may be set, or its machine may sleep: leases are longer than that. */
const AGREE_EVERY_MS = 10_000

/** What a test may put in the place of the real thing. */
export type Replacements = {
  deps?: Given
  contract?: Contract
  /** Wraps the handlers, to make them misbehave. */
  operations?: (real: Operations) => Operations
  signInDelayStepMs?: number
  onValidAnswer?: (answer: ValidAnswer) => void
}

/** A server that is ready to listen. */
export type Parley = {
  server: Server
  services: Services
  deps: Dependencies
  policies: Policies
  /** The admin that was made because there was none. */
  firstAdmin: FirstAdmin | undefined
  /** Compiles what the first calls would otherwise wait for; best after the server listens. */
  warmUp(): Promise<void>
  /** Takes no new calls, lets running ones end within the grace, and closes everything. */
  stop(graceSeconds: number): Promise<'clean' | 'cut'>
}

/** The contract and its policies; a mistake in either stops the start, with its place. */
export function loadPolicies(contract = loadContract()): Policies {
  return parsePolicies(contract.document, STATUS_OF)
}

/** Puts the whole program together. @throws when the contract, the database or a key is not in order */
export async function createParley(config: Config, instead: Replacements = {}): Promise<Parley> {
  const contract = instead.contract ?? loadContract()
  const policies = loadPolicies(contract)
  const deps = await openDependencies(config, instead.deps)
  const services = createServices(deps, policies, config, readVersion())
  const operations = createOperations(services)
  const app = await createApp({
    contract,
    policies,
    operations: instead.operations?.(operations) ?? operations,
    services,
    deps,
    config,
    signInDelayStepMs: instead.signInDelayStepMs ?? SIGN_IN_DELAY_STEP_MS,
    onValidAnswer: instead.onValidAnswer,
  })
  if (deps.store.embedded) {
    await services.generations.interruptAll()
    await services.idempotency.abandonAll()
  }
  await Promise.all(feedsOf(services).map((feed) => feed.refresh()))
  const firstAdmin = await makeFirstAdmin({ ...deps, ...services }, config.identity)
  const stopJobs = startJobs(services, deps)
  const server = createServer(app.handler, app.guardAnswer)
  const stop = async (graceSeconds: number) => {
    const outcome = await stopServing(server, services, deps.clock, graceSeconds)
    stopJobs()
    // When keys were last used is a hint: a database that is gone must not keep the server.
    await services.credentials.writeUses().catch(() => undefined)
    deps.relay?.close()
    await deps.limiter.close()
    await deps.store.close()
    return outcome
  }
  return { server, services, deps, policies, firstAdmin, warmUp: app.warmUp, stop }
}

function readVersion(): string {
  const file = readFileSync(join(packageRoot, 'package.json'), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

/** What this instance hears of the others. */
function feedsOf({ revocations, standing, credentials }: Services) {
  return [revocations, standing, credentials]
}

function startJobs(services: Services, deps: Dependencies): () => void {
  const { log, store, clock, keys, limiter } = deps
  const onError = (error: unknown) => {
    log.error({ err: error }, 'background work failed')
  }
  const prune = async () => {
    await store.sessions.deleteExpired(clock.now())
    await services.closing.sweepAll()
    await services.idempotency.prune()
    await services.openStreams.prune()
    await limiter.prune()
  }
  const jobs = [
    services.generations.keepUp(),
    services.idempotency.keepUp(onError),
    services.openStreams.keepUp(onError),
    services.credentials.followUses(onError),
    ...feedsOf(services).map((feed) => feed.follow(onError)),
    keys.follow(),
    clock.every(HOUR_MS, prune, onError),
    clock.every(AGREE_EVERY_MS, () => agreeOnTime(deps), onError),
  ]
  return () => {
    for (const stop of jobs) stop()
  }
}
