import { isIP } from 'node:net'
import type { Request } from 'express'

/** An address with a port, as some proxies write it: `[2001:db8::1]:80`, `192.0.2.1:80`. */
const WITH_PORT = /^\[([^\]]+)\](?::\d+)?$|^(\d+(?:\.\d+){3}):\d+$/

/**
 * The client's address, IPv4 in its plain form. A trusted proxy may write anything: if it is not an
 * address, the proxy itself is the client.
 */
export function addressOf(req: Request): string {
  const { remoteAddress } = req.socket
  // Nothing was forwarded, so there is no proxy to trust (docs/decisions/0013).
  if (req.headers['x-forwarded-for'] === undefined && remoteAddress !== undefined) {
    return plainAddress(remoteAddress)
  }
  const written = req.ip?.replace(WITH_PORT, '$1$2')
  const address = written !== undefined && isIP(written) > 0 ? written : remoteAddress
  return address === undefined ? 'unknown' : plainAddress(address)
}

/** Sockets of both families give IPv4 addresses as `::ffff:192.0.2.1`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
