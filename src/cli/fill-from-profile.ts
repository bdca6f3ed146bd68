import { existsSync } from 'node:fs';
import path from 'node:path';
import { looksLikeBridge } from '../bridge/local-bridge.js';
import { type Profile, profilesFile, readProfiles, requireProfile } from '../bridge/profiles.js';
import { principalNameSchema } from '../protocol/names.js';
import type { Option } from './option.js';

/** Where a command is run. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/**
 * Says which bridge is meant, for a command that has `--repo` and may have `--identity`. A plain word names
 * a profile, so a folder of that name is `./word`. Where none is given, it is the bridge that the current
 * folder is in, else the profile in use; but no bridge elsewhere for a command that works on its files. The
 * key of a profile counts where no other is given. Throws BridgeError `no-such-profile`, `bad-profiles`.
 */
export function fillFromProfile(
  given: Record<string, unknown>,
  options: readonly Option[],
  { env, cwd }: Surroundings,
): void {
  const row = options.find(({ name }) => name === 'repo');
  if (row === undefined) return;
  const { repo } = given;
  const asGiven = (one: string) => (row.isRepeatable ? [one] : one);
  if (repo === undefined) {
    const here = bridgeAround(cwd);
    if (here !== null) {
      given.repo = asGiven(here);
      return;
    }
    const file = profilesFile(env);
    const known = readProfiles(file);
    if (known.use === undefined) return;
    const profile = requireProfile(known, known.use, file);
    if (row.schema.safeParse(asGiven(profile.repo)).success) {
      fill(given, options, profile);
      given.repo = asGiven(profile.repo);
    }
  } else if (typeof repo === 'string') {
    // Where several can be given, each may have a key of its own, so the command looks the profiles up.
    const profile = profileNamed(repo, { env, cwd });
    if (profile !== null) fill(given, options, profile);
  }
}

/**
 * The profile that a `--repo` names; null where it is an address or a path. Throws BridgeError
 * `no-such-profile`, `bad-profiles`.
 */
export function profileNamed(repo: string, { env, cwd }: Surroundings): Profile | null {
  if (!isProfileName(repo)) return null;
  const file = profilesFile(env);
  const known = readProfiles(file);
  // Before there were profiles, a path of one word was taken, so it still is.
  const isPath = !Object.hasOwn(known.profiles, repo) && existsSync(path.resolve(cwd, repo));
  return isPath ? null : requireProfile(known, repo, file);
}

function fill(given: Record<string, unknown>, options: readonly Option[], profile: Profile): void {
  given.repo = profile.repo;
  const takesKey = options.some(({ name }) => name === 'identity');
  if (takesKey && given.identity === undefined && profile.identity !== undefined) {
    given.identity = profile.identity;
  }
}

/** Whether a `--repo` is a plain word: a path has a slash or ends in `.git`, and an address has a colon. */
function isProfileName(repo: string): boolean {
  return principalNameSchema.safeParse(repo).success && !repo.endsWith('.git');
}

/** The bridge that this folder is, or is in; null where there is none. */
function bridgeAround(cwd: string): string | null {
  for (let folder = path.resolve(cwd); ; folder = path.dirname(folder)) {
    if (looksLikeBridge(folder)) return folder;
    if (folder === path.dirname(folder)) return null;
  }
}
