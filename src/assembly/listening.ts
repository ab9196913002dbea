import type { Server } from 'node:http'
import {
  type AddressInfo,
  createServer,
  type ListenOptions,
  type Server as AnyServer,
} from 'node:net'
import type { Config } from '../config/config.ts'
import type { Parley } from './parley.ts'
import { StartRefused } from '../ports/start-refused.ts'

/** Connections that may wait for the server to accept them: a burst must not keep others out. */
const BACKLOG = 4_096

type Place = { port: number; host: string }
/** The variables that set a place. */
type Names = { port: string; host: string }

const API: Names = { port: 'PORT', host: 'HOST' }
const METRICS: Names = { port: 'METRICS_PORT', host: 'METRICS_HOST' }

/**
 * Checks that the ports are free, before anything is made that a failed start would leave behind.
 * @throws StartRefused with what to do
 */
export async function refuseTakenPorts({ server }: Pick<Config, 'server'>): Promise<void> {
  await tryPlace(server, API)
  if (server.metrics) await tryPlace(server.metrics, METRICS)
}

/**
 * Listens on all ports, that of the metrics first: they can be read from the first call on.
 * @returns the ports
 * @throws StartRefused with what to do
 */
export async function listenAll(
  { server, metricsServer }: Pick<Parley, 'server' | 'metricsServer'>,
  config: Pick<Config, 'server'>,
): Promise<{ api: number; metrics: number | undefined }> {
  const { metrics, ...api } = config.server
  return {
    metrics: metricsServer && metrics && (await listen(metricsServer, metrics, METRICS)),
    api: await listen(server, api, API),
  }
}

async function tryPlace({ port, host }: Place, names: Names): Promise<void> {
  const trial = createServer()
  await listen(trial, { port, host }, names)
  await new Promise((resolve) => trial.close(resolve))
}

/** @returns the port that the server listens on */
function listen(server: Server | AnyServer, place: Place, names: Names): Promise<number> {
  const options: ListenOptions = { port: place.port, host: place.host, backlog: BACKLOG }
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(refusalOf(error, place, names))
    server.once('error', refuse)
    server.listen(options, () => {
      server.off('error', refuse)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function refusalOf(error: NodeJS.ErrnoException, { port }: Place, names: Names): Error {
  const sentence = {
    EADDRINUSE: `Port ${port} is taken by another program: stop that program, or set ${names.port} to a free port.`,
    EACCES: `This user cannot listen on port ${port}: set ${names.port} to 1024 or higher.`,
    EADDRNOTAVAIL: `${names.host} is not an address of this machine: set it to one that is, or to 0.0.0.0 for all addresses.`,
    ENOTFOUND: `${names.host} is a host name that does not exist: set it to an address of this machine, or to 0.0.0.0 for all addresses.`,
    EAI_AGAIN: `${names.host} is a host name that cannot be resolved at the moment: set it to an address of this machine.`,
    EAFNOSUPPORT: `${names.host} is an address of a family that this machine does not support: set it to 0.0.0.0.`,
  }[error.code ?? '']
  return sentence === undefined ? error : new StartRefused(sentence, { cause: error })
}
