import type { Server } from 'node:http'
import { createApp } from '../http/app.ts'
import type { Config } from '../config/config.ts'
import { type Contract, loadContract } from '../contract/document.ts'
import type { Policies } from '../contract/policy.ts'
import { parsePolicies } from '../contract/policies.ts'
import type { Operations } from '../operations/operation.ts'
import { feedsOf, startJobs } from './background-jobs.ts'
import { type Given, openDependencies } from './open-dependencies.ts'
import { type AdminAccess, type FirstAdmin, provideAdmin } from '../domain/identity/first-admin.ts'
import { STATUS_OF } from '../domain/problem.ts'
import { createServices, type Services } from '../domain/services.ts'
import type { ValidResponse } from '../http/response/head-check.ts'
import { createMetricsServer } from '../http/connection/metrics-server.ts'
import { createServer, renewCertificate } from '../http/connection/server.ts'
import { meterServices } from './metered-services.ts'
import { createOperations } from '../operations/index.ts'
import {
  type Certificate,
  type CertificateSource,
  openCertificate,
} from '../ports/keys/certificate.ts'
import type { Unacknowledged } from '../ports/unacknowledged.ts'
import { stopServing } from './stop-serving.ts'
import type { World } from './world.ts'

const SIGN_IN_DELAY_STEP_MS = 500
/** A collector that does not respond must not delay the stop. */
const LAST_TRACES_MS = 2_000

/** What a test may replace. */
export type Replacements = {
  deps?: Given
  contract?: Contract
  /** Wraps the handlers, to make them misbehave. */
  operations?: (real: Operations) => Operations
  signInDelayStepMs?: number
  onValidResponse?: (response: ValidResponse) => void
  /** What readers have not taken, instead of what the system reports. */
  unacknowledged?: Unacknowledged
  /** Shows a password that was made for the first administrator; by default it is not shown. */
  show?: (admin: FirstAdmin) => Promise<void>
}

/** A server that is ready to listen. */
export type Parley = {
  server: Server
  /** Serves metrics, where METRICS_PORT is set; it has no TLS and asks for no credential. */
  metricsServer: Server | undefined
  services: Services
  deps: World
  policies: Policies
  /** How an administrator logs in. */
  access: AdminAccess
  /** Compiles what the first calls would wait for; best called after the server listens. */
  warmUp(): Promise<void>
  /** Takes no new calls, lets running ones end within the grace period, and closes everything. */
  stop(graceSeconds: number): Promise<'clean' | 'cut'>
}

/** The policies of the contract. @throws with the place of a mistake in it */
export function loadPolicies(contract = loadContract()): Policies {
  return parsePolicies(contract.document, STATUS_OF)
}

/**
 * Puts the whole program together.
 * @throws if the contract, the database or a key cannot be used
 */
export async function createParley(config: Config, instead: Replacements = {}): Promise<Parley> {
  const contract = instead.contract ?? loadContract()
  const policies = loadPolicies(contract)
  const certificate = config.server.tls && (await openCertificate(config.server.tls))
  const deps = await openDependencies(config, instead.deps)
  try {
    return await assemble(config, { contract, policies, certificate, deps }, instead)
  } catch (error) {
    // The next start must find DATA_DIR free.
    await deps.store.close().catch(() => undefined)
    throw error
  }
}

type Parts = {
  contract: Contract
  policies: Policies
  certificate: CertificateSource | undefined
  deps: World
}

async function assemble(config: Config, parts: Parts, instead: Replacements): Promise<Parley> {
  const { contract, policies, certificate, deps } = parts
  const { version } = contract.document.info
  const services = createServices(deps, policies, config, version)
  const app = await openApp(config, parts, services, instead)
  await readState(services, deps)
  const show = instead.show ?? (async () => {})
  const access = await provideAdmin({ ...deps, ...services, show }, config.identity)
  logStart(deps, access)
  const stopJobs = startJobs(services, deps)
  const { server, connections } = createServer(app, {
    clock: deps.clock,
    certificate: certificate?.first,
    unacknowledged: instead.unacknowledged,
  })
  const renew = (renewed: Certificate) => renewCertificate(server, renewed)
  const stopRenewing = certificate?.follow(renew, deps)
  const metricsServer = config.server.metrics && createMetricsServer(deps)
  meterServices(deps, services, policies)
  const stop = async (graceSeconds: number) => {
    const outcome = await stopServing({ server, connections }, services, deps.clock, graceSeconds)
    stopJobs()
    stopRenewing?.()
    await closeDependencies(services, deps)
    // Last of all: metrics show how a server drains.
    metricsServer?.close()
    metricsServer?.closeAllConnections()
    return outcome
  }
  return { server, metricsServer, services, deps, policies, access, warmUp: app.warmUp, stop }
}

function openApp(config: Config, parts: Parts, services: Services, instead: Replacements) {
  const { contract, policies, deps } = parts
  const operations = createOperations(services)
  return createApp({
    contract,
    policies,
    operations: instead.operations?.(operations) ?? operations,
    services,
    deps,
    settings: config.server,
    signInDelayStepMs: instead.signInDelayStepMs ?? SIGN_IN_DELAY_STEP_MS,
    onValidResponse: instead.onValidResponse,
  })
}

/** Ends what a former process left in an embedded database, and reads what instances share. */
async function readState(services: Services, { store }: World): Promise<void> {
  if (store.embedded) {
    await services.generations.interruptAll()
    await services.idempotency.abandonAll()
  }
  await Promise.all(feedsOf(services).map((feed) => feed.refresh()))
}

async function closeDependencies(services: Services, deps: World): Promise<void> {
  // When keys were last used is a hint: an unavailable database must not delay the stop.
  await services.credentials.writeUses().catch(() => undefined)
  deps.relay?.close()
  await deps.limiter.close()
  await deps.store.close()
  await closeTracer(deps)
}

/** For operators who read only the log. */
function logStart({ log, store }: World, access: AdminAccess): void {
  if (access.kind === 'unfitting') {
    log.warn({ reason: access.reason }, 'ADMIN_EMAIL and ADMIN_PASSWORD are ignored')
  }
  const migrations = store.newerMigrations()
  if (migrations.length === 0) return
  log.warn({ migrations }, 'a newer version of Parley has migrated the database')
}

async function closeTracer({ tracer, clock }: World): Promise<void> {
  if (!tracer) return
  const late = new AbortController()
  const over = clock.wait(LAST_TRACES_MS, late.signal)
  await Promise.race([tracer.close(), over]).catch(() => undefined)
  late.abort()
  await over.catch(() => undefined)
}
