import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import envPaths from 'env-paths';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { hasPassword } from '../process/hide-passwords.js';
import { asUtf8 } from '../protocol/as-utf8.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { principalNameSchema } from '../protocol/names.js';
import { describeIssues } from '../protocol/strict-json.js';

/** A bridge by a name: where it is, and which key opens it. Never a secret: the key is named by its file. */
const profileSchema = z.strictObject({
  repo: z
    .string()
    .min(1)
    .refine((repo) => !hasPassword(repo), 'has a password in it, which does not belong here'),
  identity: z.string().min(1).optional(),
});
export type Profile = z.infer<typeof profileSchema>;

const profilesSchema = z.strictObject({
  /** The profile that counts where none is named. */
  use: principalNameSchema.optional(),
  profiles: z.record(principalNameSchema, profileSchema).default({}),
});
export type Profiles = z.infer<typeof profilesSchema>;

/**
 * The file of this user's profiles: `~/.config/llm-bridge/config.json`, or under XDG_CONFIG_HOME; under
 * `~/Library/Preferences` of macOS, and `%APPDATA%` of Windows. Absolute.
 */
export function profilesFile(env: NodeJS.ProcessEnv): string {
  const name = 'llm-bridge';
  const isUnix = process.platform !== 'win32' && process.platform !== 'darwin';
  // As env-paths does it, but by the variables of `env`.
  const config = isUnix
    ? path.join(env.XDG_CONFIG_HOME || path.join(env.HOME || os.homedir(), '.config'), name)
    : envPaths(name, { suffix: '' }).config;
  return path.resolve(config, 'config.json');
}

/**
 * Reads the profiles; none where there is no file. Throws BridgeError `bad-profiles` for a file that cannot
 * be read or is not valid.
 */
export function readProfiles(file: string): Profiles {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // ENOTDIR: a home folder that is a file, as the one of a user without a home.
    if (code === 'ENOENT' || code === 'ENOTDIR') return { profiles: {} };
    throw badProfiles(file, `cannot be read (${code ?? message})`);
  }
  let value: unknown;
  try {
    // A person may have edited it, also with a Windows program that writes UTF-16 or a byte order mark.
    value = JSON.parse(asUtf8(bytes, file).toString('utf8'));
  } catch {
    throw badProfiles(file, 'is not JSON');
  }
  const read = profilesSchema.safeParse(value);
  if (!read.success) throw badProfiles(file, describeIssues(read.error.issues));
  return read.data;
}

/**
 * Saves a profile, over one of the same name, and takes it into use where `use` is true or no other is in
 * use. Throws BridgeError as readProfiles does, `usage` for an invalid profile, `disk-full` or
 * `no-permission` where the file cannot be written.
 */
export async function saveProfile(
  file: string,
  name: string,
  profile: Profile,
  { use = false }: { readonly use?: boolean } = {},
): Promise<void> {
  const read = profileSchema.safeParse(profile);
  if (!read.success)
    throw new BridgeError(`no profile can be made of that: ${describeIssues(read.error.issues)}`, {
      code: 'usage',
      remedy: 'give an address as ssh://bridge@server/srv/llm-bridge/bridge.git, and a key by --identity',
    });
  const { use: inUse, profiles } = readProfiles(file);
  const kept = inUse !== undefined && profiles[inUse] !== undefined ? inUse : undefined;
  await write(file, { use: use ? name : (kept ?? name), profiles: { ...profiles, [name]: read.data } });
}

/** Takes a profile into use. Throws BridgeError `no-such-profile`, naming those there are. */
export async function useProfile(file: string, name: string): Promise<void> {
  const known = readProfiles(file);
  requireProfile(known, name, file);
  await write(file, { ...known, use: name });
}

/** The profile of this name. Throws BridgeError `no-such-profile`, naming those there are. */
export function requireProfile({ profiles }: Profiles, name: string, file: string): Profile {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile;
  const names = Object.keys(profiles);
  throw new BridgeError(`there is no profile ${JSON.stringify(name)} in ${file}`, {
    code: 'no-such-profile',
    remedy:
      names.length === 0
        ? 'llm-bridge join ssh://bridge@server/srv/llm-bridge/bridge.git makes one; a path begins with "./" or "/"'
        : `one of: ${names.join(', ')}; a path begins with "./" or "/"`,
  });
}

async function write(file: string, profiles: Profiles): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    // Whoever can change this file chooses the server that gets the prompts.
    await writeFileAtomic(file, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new BridgeError(`cannot write ${file} (${code ?? message})`, {
      code: isFull ? 'disk-full' : 'no-permission',
      remedy: isFull
        ? 'free some space there, and run this again'
        : 'make its folder writable, or name another by XDG_CONFIG_HOME',
      cause,
    });
  }
}

function badProfiles(file: string, what: string): BridgeError {
  return new BridgeError(`the profiles in ${file}: ${what}`, {
    code: 'bad-profiles',
    remedy: `correct it, or move it away; "llm-bridge join" writes a new one`,
  });
}
