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
import { packageVersion } from '../lib/package-root.ts'
import {
  type Certificate,
  type CertificateSource,
  openCertificate,
} from '../ports/keys/certificate.ts'
import type { Unacknowledged } from '../ports/unacknowledged.ts'
import { stopServing } from './stop-serving.ts'
import type { World } from './world.ts'

const SIGN_IN_DELAY_STEP_MS = 500
/** A collector that does not answer must not keep the server. */
const LAST_TRACES_MS = 2_000

/** What a test may put in the place of the real thing. */
export type Replacements = {
  deps?: Given
  contract?: Contract
  /** Wraps the handlers, to make them misbehave. */
  operations?: (real: Operations) => Operations
  signInDelayStepMs?: number
  onValidResponse?: (response: ValidResponse) => void
  /** What readers have not taken, in the place of what the system says. */
  unacknowledged?: Unacknowledged
  /** Shows a password that was made for the first administrator; nobody sees it unless told. */
  show?: (admin: FirstAdmin) => Promise<void>
}

/** A server that is ready to listen. */
export type Parley = {
  server: Server
  /** What Prometheus reads, if somebody wants it; it has no TLS and no credential. */
  metricsServer: Server | undefined
  services: Services
  deps: World
  policies: Policies
  /** How an administrator gets in. */
  access: AdminAccess
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
  const certificate = config.server.tls && (await openCertificate(config.server.tls))
  const deps = await openDependencies(config, instead.deps)
  try {
    return await assemble(config, { contract, policies, certificate, deps }, instead)
  } catch (error) {
    // Whoever starts next finds the folder of data free.
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
  const services = createServices(deps, policies, config, packageVersion())
  const operations = createOperations(services)
  const app = await createApp({
    contract,
    policies,
    operations: instead.operations?.(operations) ?? operations,
    services,
    deps,
    settings: config.server,
    signInDelayStepMs: instead.signInDelayStepMs ?? SIGN_IN_DELAY_STEP_MS,
    onValidResponse: instead.onValidResponse,
  })
  if (deps.store.embedded) {
    await services.generations.interruptAll()
    await services.idempotency.abandonAll()
  }
  await Promise.all(feedsOf(services).map((feed) => feed.refresh()))
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
    // When keys were last used is a hint: a database that is gone must not keep the server.
    await services.credentials.writeUses().catch(() => undefined)
    deps.relay?.close()
    await deps.limiter.close()
    await deps.store.close()
    await closeTracer(deps)
    // Last of all: how a server drains is worth seeing.
    metricsServer?.close()
    metricsServer?.closeAllConnections()
    return outcome
  }
  return { server, metricsServer, services, deps, policies, access, warmUp: app.warmUp, stop }
}

/** What whoever reads only the log must know, too. */
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
