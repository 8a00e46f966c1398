import { BlockList, isIP } from 'node:net'

/** Not for the public (IANA special-purpose registry, IPv4), and Azure's metadata host, which has a public address. */
const special4 = blockList('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
])

/** All of IPv6 that is public lies in here. IPv4 written as IPv6 (mapped, NAT64) does not. */
const unicast6 = blockList('ipv6', ['2000::/3'])
/** … but for protocol assignments with Teredo, documentation, and 6to4, which carries an IPv4 address. */
const special6 = blockList('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** True for an address that is one for everybody: no loopback, private, link-local, shared, multicast or reserved one. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special4.check(address, 'ipv4')
    case 6:
      // With a zone it is of one link.
      return !address.includes('%') && unicast6.check(address, 'ipv6') && !special6.check(address, 'ipv6')
    default:
      return false
  }
}

/** Names that only mean something inside a machine, a home, a cluster or a cloud (streaming.md §10.3). */
const localNames =
  /^(localhost|metadata|metadata\.goog|instance-data)$|\.(localhost|local|localdomain|home\.arpa|svc|cluster\.local|internal)$/

/** True for a host that may be connected to as far as its spelling says; a name still has to be resolved. */
export function isPublicHost(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '')
  return isIP(name) === 0 ? name !== '' && !localNames.test(name) : isPublicAddress(name)
}

function blockList(family: 'ipv4' | 'ipv6', subnets: string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [net, prefix] = subnet.split('/')
    list.addSubnet(net!, Number(prefix), family)
  }
  return list
}
