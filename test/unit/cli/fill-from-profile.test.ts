import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { profilesFile, readProfiles, saveProfile, useProfile } from '../../../src/bridge/profiles.js';
import { fillFromProfile } from '../../../src/cli/fill-from-profile.js';
import { OPTIONS } from '../../../src/cli/options.js';
import { tempDir } from '../../support/temp-dir.js';

const FAR = 'ssh://bridge@server/srv/llm-bridge/bridge.git';
const REMOTE = [OPTIONS.repo, OPTIONS.identity];
const LOCAL = [OPTIONS.localRepo];

let dir: string;
let env: NodeJS.ProcessEnv;
let file: string;

beforeEach(async () => {
  dir = await tempDir();
  env = { XDG_CONFIG_HOME: join(dir, 'config') };
  file = profilesFile(env);
});

/** What a command gets of `given`. */
function filled(
  given: Record<string, unknown>,
  options = REMOTE as readonly (typeof REMOTE)[number][],
  cwd = dir,
) {
  const values = { ...given };
  fillFromProfile(values, options, { env, cwd });
  return values;
}

async function bridgeAt(path: string): Promise<string> {
  for (const name of ['bridge/principals', 'objects']) await mkdir(join(path, name), { recursive: true });
  await writeFile(join(path, 'bridge', 'ssh-command'), '');
  return path;
}

test('without profiles nothing is filled in', () => {
  expect(filled({})).toEqual({});
  expect(filled({ repo: FAR })).toEqual({ repo: FAR });
});

test('a name stands for the address and the key of its profile, and for nothing of the one in use', async () => {
  await saveProfile(file, 'home', { repo: FAR, identity: '/keys/home' });
  await saveProfile(file, 'work', { repo: 'bridge@work:/srv/b.git' });

  expect(filled({ repo: 'home' })).toEqual({ repo: FAR, identity: '/keys/home' });
  expect(filled({ repo: 'work' })).toEqual({ repo: 'bridge@work:/srv/b.git' });
  expect(filled({ repo: 'home', identity: '/mine' })).toEqual({ repo: FAR, identity: '/mine' });
  expect(filled({ repo: FAR })).toEqual({ repo: FAR });
});

test('a file that was edited on Windows is read', async () => {
  await saveProfile(file, 'home', { repo: FAR });
  const text = await readFile(file, 'utf8');
  for (const encoding of ['utf8', 'utf16le'] as const) {
    await writeFile(file, Buffer.from(`\ufeff${text}`, encoding));
    expect(filled({})).toEqual({ repo: FAR });
  }
});

test('the first profile is in use, until another is taken', async () => {
  await saveProfile(file, 'home', { repo: FAR });
  await saveProfile(file, 'work', { repo: 'bridge@work:/srv/b.git', identity: '/keys/work' });
  expect(filled({})).toEqual({ repo: FAR });

  await useProfile(file, 'work');
  expect(filled({})).toEqual({ repo: 'bridge@work:/srv/b.git', identity: '/keys/work' });

  await saveProfile(file, 'third', { repo: '/srv/b.git' }, { use: true });
  expect(filled({})).toEqual({ repo: '/srv/b.git' });
});

test('the bridge one stands in goes before the profile in use', async () => {
  await saveProfile(file, 'home', { repo: FAR, identity: '/keys/home' });
  const bridge = await bridgeAt(join(dir, 'bridge.git'));

  expect(filled({}, REMOTE, bridge)).toEqual({ repo: bridge });
  expect(filled({}, LOCAL, join(bridge, 'objects'))).toEqual({ repo: bridge });
  expect(filled({ repo: 'home' }, REMOTE, bridge)).toMatchObject({ repo: FAR });
});

test('a command that works on the files of a bridge takes no profile that is elsewhere', async () => {
  await saveProfile(file, 'home', { repo: FAR });
  expect(filled({}, LOCAL)).toEqual({});

  await saveProfile(file, 'mine', { repo: '/srv/b.git' }, { use: true });
  expect(filled({}, LOCAL)).toEqual({ repo: '/srv/b.git' });
});

test('a command without --repo, and one that takes several, is left alone', async () => {
  await saveProfile(file, 'home', { repo: FAR });
  expect(filled({}, [OPTIONS.identity])).toEqual({});
});

test('a folder of one word is a path where no profile is called so', async () => {
  await mkdir(join(dir, 'home'));
  expect(filled({ repo: 'home' })).toEqual({ repo: 'home' });

  await saveProfile(file, 'home', { repo: FAR });
  expect(filled({ repo: 'home' })).toEqual({ repo: FAR });
  expect(filled({ repo: './home' })).toEqual({ repo: './home' });
});

describe('what is wrong is said', () => {
  test('a name that no profile has names those there are', async () => {
    expect(() => filled({ repo: 'hom' })).toThrow(/no profile "hom"/);
    await saveProfile(file, 'home', { repo: FAR });
    expect(() => filled({ repo: 'hom' })).toThrow(
      expect.objectContaining({ code: 'no-such-profile', remedy: expect.stringContaining('one of: home') }),
    );
    await expect(useProfile(file, 'constructor')).rejects.toThrow(/no profile "constructor"/);
  });

  test.each([
    ['not JSON', '{', /is not JSON/],
    ['another field', '{"profiles": {}, "token": "x"}', /token/],
    ['a name that is none', '{"profiles": {"../x": {"repo": "/a"}}}', /profiles\..*Invalid key/],
    ['a password', '{"profiles": {"x": {"repo": "https://me:secret@host/b.git"}}}', /has a password/],
  ])('a file with %s', async (_what, text, reason) => {
    await mkdir(join(dir, 'config', 'llm-bridge'), { recursive: true });
    await writeFile(file, text);

    expect(() => readProfiles(file)).toThrow(reason);
    expect(() => readProfiles(file)).not.toThrow(/secret@/);
  });

  test('a profile in use that is gone', async () => {
    await mkdir(join(dir, 'config', 'llm-bridge'), { recursive: true });
    await writeFile(file, '{"use": "home", "profiles": {}}');

    expect(() => filled({})).toThrow(/no profile "home"/);
    await saveProfile(file, 'new', { repo: FAR });
    expect(filled({})).toEqual({ repo: FAR });
  });
});

test('a password is never saved, and the file is its owner’s alone', async () => {
  const secret = { repo: 'https://me:secret@host/b.git' };
  await expect(saveProfile(file, 'x', secret)).rejects.toMatchObject({ code: 'usage' });

  await saveProfile(file, 'home', { repo: FAR });
  expect(await readFile(file, 'utf8')).not.toContain('secret');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('the file is where the system keeps settings', () => {
  expect(profilesFile({ XDG_CONFIG_HOME: '/x' })).toBe('/x/llm-bridge/config.json');
  expect(profilesFile({ HOME: '/home/me' })).toBe('/home/me/.config/llm-bridge/config.json');
});
