import { parseAddress } from '../../bridge/address.js';
import type { Profile, Profiles } from '../../bridge/profiles.js';
import { principalNameSchema } from '../../protocol/names.js';
import { bridgePathOf } from './let-in.js';

/** Room in a name for the number behind it. */
const MAX_WORDS_LENGTH = 58;

/**
 * The name by which to save a bridge where none is given, with the profile that it has already: that of its
 * profile, so that a join goes on where it stood; else `wanted`, with a number behind it where another bridge
 * has that name.
 */
export function profileFor(
  { profiles }: Profiles,
  wanted: string,
  repo: string,
): { readonly name: string; readonly before: Profile | null } {
  const names = Object.keys(profiles);
  const of = (name: string) => (Object.hasOwn(profiles, name) ? profiles[name] : undefined);
  const isOurs = (name: string) => isSameBridge(of(name)?.repo ?? '', repo);
  const own = isOurs(wanted) ? wanted : names.find(isOurs);
  if (own !== undefined) return { name: own, before: of(own) ?? null };
  let name = wanted;
  for (let count = 2; of(name) !== undefined; count += 1) {
    name = `${wanted.slice(0, MAX_WORDS_LENGTH)}-${count}`;
  }
  return { name, before: null };
}

/**
 * Whether two addresses over ssh are of one bridge: user, host, port and path, in either form of git's. A
 * name in the ssh config and what it stands for are two.
 */
export function isSameBridge(one: string, other: string): boolean {
  const [first, second] = [placeOf(one), placeOf(other)];
  return first !== null && first === second;
}

function placeOf(repo: string): string | null {
  try {
    const address = parseAddress(repo);
    if (address.kind !== 'ssh') return null;
    return JSON.stringify([address.destination, address.port ?? '22', bridgePathOf(address)]);
  } catch {
    // Somebody has written something else into the file of profiles.
    return null;
  }
}

/** A name that this machine's own name gives, for a key or a profile. */
export function plainName(text: string, fallback: string): string {
  const name =
    text
      .split('.')[0]
      ?.split(/[^A-Za-z0-9_]/)
      .filter((part) => part !== '')
      .join('-')
      .replace(/^[-_]+/, '') ?? '';
  return principalNameSchema.safeParse(name).success ? name : fallback;
}
