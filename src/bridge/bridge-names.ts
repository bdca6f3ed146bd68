import { hidePasswords } from '../process/hide-passwords.js';
import { parseAddress } from './address.js';

/** A bridge among several. */
export interface BridgeToName {
  /** As BridgeAccess has it. */
  readonly repo: string;
  /** The name of its profile; null where it was given by its address. */
  readonly profile: string | null;
}

/**
 * What each of several bridges is called where they are shown together, by the first of these that tells all
 * of them apart: the profile or the last part of the path; the profile or the host; the address. Throws
 * BridgeError `usage` as parseAddress does.
 */
export function bridgeNames(bridges: readonly BridgeToName[]): string[] {
  for (const nameOf of [lastPart, host]) {
    const names = bridges.map((one) => one.profile ?? nameOf(one.repo));
    if (names.every((name, at) => name !== '' && names.indexOf(name) === at)) return names;
  }
  return bridges.map(({ repo }) => hidePasswords(parseAddress(repo).url));
}

/** `home` of `ssh://bridge@server/srv/home.git`. */
function lastPart(repo: string): string {
  const { url } = parseAddress(repo);
  const parts = url.split(/[/\\:]/).filter((part) => part !== '');
  return (parts.at(-1) ?? '').replace(/\.git$/, '');
}

/** `server` of the same; empty for a bridge on this machine. */
function host(repo: string): string {
  const address = parseAddress(repo);
  if (address.kind === 'local') return '';
  if (address.kind === 'ssh')
    return address.destination.slice(address.destination.lastIndexOf('@') + 1).split(':', 1)[0] ?? '';
  return URL.canParse(address.url) ? new URL(address.url).hostname : '';
}
