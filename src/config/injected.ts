import { isIP } from 'node:net'
import type { Env } from './environment.ts'
import { isOurs } from './variables.ts'

/** An environment without the variables that a platform injected. */
export type Sorted = {
  env: Env
  /** The names of those that were left out. */
  leftOut: readonly string[]
}

/**
 * Leaves out what a platform injected for services whose names collide with Parley's variables.
 * Kubernetes gives every container variables for each Service of its namespace, and so do Docker's
 * links: a Service `metrics` sets METRICS_PORT to `tcp://10.0.0.7:9464`.
 *
 * A service needs proof: a variable whose name and value have the same port and protocol
 * (METRICS_PORT_9464_TCP=tcp://10.0.0.7:9464), which no operator writes by mistake. If a value of a
 * proven service does not have the form of an injected one, it stays: the operator has set it.
 */
export function withoutInjected(env: Env): Sorted {
  const services = new Set(Object.keys(env).flatMap((name) => provenService(name, env[name])))
  const isInjected = (name: string): boolean =>
    splits(name).some(([service, rest]) => services.has(service) && fits(rest, env[name] ?? ''))
  const leftOut = Object.keys(env).filter((name) => isOurs(name) && isInjected(name))
  const kept = Object.entries(env).filter(([name]) => !leftOut.includes(name))
  return { env: Object.fromEntries(kept), leftOut }
}

const PROOF = /^(.+)_PORT_(\d{1,5})_(TCP|UDP|SCTP)$/
const ADDRESS = /^(tcp|udp|sctp):\/\/(?:\[([^\]]*)\]|([^:/]*)):(\d{1,5})$/

function provenService(name: string, value = ''): string[] {
  const [, service, port, protocol] = PROOF.exec(name) ?? []
  const address = addressIn(value)
  const agrees = address?.port === port && address?.protocol.toUpperCase() === protocol
  return service !== undefined && agrees ? [service] : []
}

function addressIn(value: string): { protocol: string; port: string } | undefined {
  const [, protocol, six = '', four = '', port] = ADDRESS.exec(value) ?? []
  if (protocol === undefined || port === undefined || !isIP(six || four)) return undefined
  return { protocol, port }
}

/** Every way to split a name into that of a service and the rest. */
function splits(name: string): [service: string, rest: string][] {
  const words = name.split('_')
  return words.map((_, i) => [words.slice(0, i).join('_'), words.slice(i).join('_')])
}

function fits(rest: string, value: string): boolean {
  return FORMS.some(([ending, isValue]) => ending.test(rest) && isValue(value))
}

const isAddress = (value: string): boolean => addressIn(value) !== undefined
const isNumber = (value: string): boolean => /^\d{1,5}$/.test(value)
const isHost = (value: string): boolean => isIP(value) !== 0
const isProtocol = (value: string): boolean => /^(tcp|udp|sctp)$/.test(value)
const isLinkName = (value: string): boolean => /^\/[^/]+\/[^/]+$/.test(value)

/** The rest of an injected name, and the form of its value. The last four are Docker's. */
const FORMS: readonly (readonly [ending: RegExp, isValue: (value: string) => boolean])[] = [
  [/^SERVICE_HOST$/, isHost],
  [/^SERVICE_PORT(_[A-Z0-9_]+)?$/, isNumber],
  [/^PORT(_\d+_(TCP|UDP|SCTP))?$/, isAddress],
  [/^PORT_\d+_(TCP|UDP|SCTP)_PORT$/, isNumber],
  [/^PORT_\d+_(TCP|UDP|SCTP)_ADDR$/, isHost],
  [/^PORT_\d+_(TCP|UDP|SCTP)_PROTO$/, isProtocol],
  [/^PORT(_\d+_(TCP|UDP))?_(START|END)$/, isAddress],
  [/^PORT_\d+_(TCP|UDP)_PORT_(START|END)$/, isNumber],
  [/^NAME$/, isLinkName],
  [/^ENV_/, () => true],
]
