import { parseAddress } from '../../bridge/address.js';
import type { Profile, Profiles } from '../../bridge/profiles.js';
import { principalNameSchema } from '../../protocol/names.js';
import { bridgePathOf } from './let-in.js';

/** Longer names are cut, so that there is room for a number behind them. */
const MAX_WORDS_LENGTH = 58;

/**
 * The name by which to save a bridge where none is given, and its profile, where it has one. The name is
 * that of its profile, so that a join goes on where it was stopped; else `wanted`, with a number behind it
 * where another bridge has that name.
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
 * Whether two addresses over ssh are of one bridge: user, host, port and path, in either of git's forms. A
 * name in the ssh config and the host that it stands for count as two.
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
    // A person has written something else into the file of profiles.
    return null;
  }
}

/** A name for a key or a profile, made of the name of a machine; `fallback` where that gives none. */
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
