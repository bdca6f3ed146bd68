import { BlockList, isIP } from 'node:net';

/**
 * Whether what is sent to this address stays with the people of this network, so that no third party reads
 * it:
 * - this machine: loopback (127.0.0.0/8, `::1`), the unspecified addresses, which reach it, and `localhost`;
 * - networks that the internet does not route: RFC 1918, link-local (RFC 3927, RFC 4291), unique local (RFC
 *   4193), and the shared space 100.64.0.0/10 (RFC 6598), from which overlay networks give their addresses;
 * - names that only a network of one's own can answer: `.localhost` (RFC 6761), `.local` (RFC 6762, mDNS),
 *   `.home.arpa` (RFC 8375), `.internal` (reserved by ICANN), and a name without a dot (`my-pc`, a service
 *   of a compose file), for no top-level domain has an address of its own (RFC 7085, SSAC SAC053).
 *
 * A name is judged as it stands and not looked up: whoever answers for the names of this network controls
 * the network anyway.
 */
export function isPrivateAddress(url: string): boolean {
  const host = new URL(url).hostname.toLowerCase().replace(/\.$/, '');
  const address = host.replace(/^\[(.*)\]$/, '$1');
  const kind = isIP(address);
  if (kind !== 0) return PRIVATE.check(address, kind === 6 ? 'ipv6' : 'ipv4');
  return !host.includes('.') || /\.(?:localhost|local|home\.arpa|internal)$/.test(host);
}

const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 32],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv6');
}
