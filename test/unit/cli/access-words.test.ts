import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { profilesFile, saveProfile } from '../../../src/bridge/profiles.js';
import { accessWords, laterCommand } from '../../../src/cli/ask-shown.js';
import { tempDir } from '../../support/temp-dir.js';

const repo = 'ssh://bridge@server/srv/llm-bridge/bridge.git';

test('a bridge that is saved here is named by its profile, and any other by its address and key', async () => {
  const env = { XDG_CONFIG_HOME: await tempDir(), HOME: await tempDir() };
  const file = profilesFile(env);
  expect(accessWords({ repo }, env)).toEqual(['--repo', repo]);
  await saveProfile(file, 'home', { repo, identity: '/k/home' });
  await saveProfile(file, 'bot', { repo, identity: '/k/bot' });
  expect(accessWords({ repo, identity: '/k/bot' }, env)).toEqual(['--repo', 'bot']);
  expect(accessWords({ repo }, env)).toEqual(['--repo', repo]);
  expect(accessWords({ repo, identity: '/k/c' }, env)).toEqual(['--repo', repo, '--identity', '/k/c']);
  expect(laterCommand('answer', 'a'.repeat(40), { repo, identity: '/k/home' }, env)).toBe(
    'llm-bridge answer aaaaaaaa --repo home',
  );
});

test('profiles that cannot be read take no remedy away', async () => {
  const env = { XDG_CONFIG_HOME: await tempDir(), HOME: await tempDir() };
  const file = profilesFile(env);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(join(file), '{');
  expect(accessWords({ repo }, env)).toEqual(['--repo', repo]);
});
