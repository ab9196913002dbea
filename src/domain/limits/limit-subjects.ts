import { isIPv6, SocketAddress } from 'node:net'

/**
 * The subject of a limit per address: an IPv4 address, or the /64 network of an IPv6 address, because
 * a client with one of its addresses usually has all of them. An IPv4 address in any of its IPv6
 * notations is that IPv4 address.
 */
export function addressSubject(address: string): string {
  if (!isIPv6(address)) return address
  const canonical = new SocketAddress({ address: address.split('%')[0]!, family: 'ipv6' }).address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = canonical.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length)
  const groups = [...first, ...Array<string>(zeros).fill('0'), ...last]
  const network = groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
