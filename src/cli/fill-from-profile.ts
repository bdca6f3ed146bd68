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
 * Says which bridge is meant, for a command that has `--repo` and may have `--identity`. A plain word names a
 * profile, so a folder of that name is `./word`. Where none is given: the bridge one stands in, else the
 * profile in use, unless the command works on files of the bridge and that one is elsewhere. The key of a
 * profile counts where no other is given. Throws BridgeError `no-such-profile`, `bad-profiles`.
 */
export function fillFromProfile(
  given: Record<string, unknown>,
  options: readonly Option[],
  { env, cwd }: Surroundings,
): void {
  const row = options.find(({ name }) => name === 'repo');
  if (row === undefined || row.isRepeatable) return;
  const { repo } = given;
  if (repo === undefined) {
    const here = bridgeAround(cwd);
    if (here !== null) {
      given.repo = here;
      return;
    }
  } else if (typeof repo !== 'string' || !isProfileName(repo)) return;
  const file = profilesFile(env);
  const known = readProfiles(file);
  if (repo !== undefined) {
    // A path of one word was taken before there were profiles.
    const isPath = !Object.hasOwn(known.profiles, repo) && existsSync(path.resolve(cwd, repo));
    if (!isPath) fill(given, options, requireProfile(known, repo, file));
    return;
  }
  if (known.use === undefined) return;
  const profile = requireProfile(known, known.use, file);
  if (row.schema.safeParse(profile.repo).success) fill(given, options, profile);
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
