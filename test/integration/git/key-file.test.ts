import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { classifyGitFailure } from '../../../src/git/git-failure.js';
import { faultOfKeyFile, hasPassphrase } from '../../../src/git/key-file.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

/**
 * Each makes a file that ssh cannot use out of a sound key. `mends`: the remedy is a command that mends it.
 */
const FAULTS: readonly {
  readonly name: string;
  readonly spoil: (file: string, key: string, publicKey: string) => Promise<unknown>;
  readonly what: RegExp;
  readonly remedy: RegExp;
  readonly mends?: true;
}[] = [
  {
    name: 'a key with the line ends of Windows',
    spoil: (file, key) => writeFile(file, key.replaceAll('\n', '\r\n')),
    what: /line ends of Windows/,
    remedy: /^tr -d '\\r' /,
    mends: true,
  },
  { name: 'an empty file', spoil: (file) => writeFile(file, ''), what: /empty/, remedy: /backup.*key add/ },
  {
    name: 'a file of zeros',
    spoil: (file) => writeFile(file, Buffer.alloc(400)),
    what: /empty/,
    remedy: /backup.*key add/,
  },
  {
    name: 'a key of PuTTY',
    spoil: (file) => writeFile(file, 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n'),
    what: /PuTTY/,
    remedy: /^puttygen /,
  },
  {
    name: 'a key that others can read',
    spoil: (file) => chmod(file, 0o644),
    what: /can be read by others/,
    remedy: /^chmod 600 /,
    mends: true,
  },
  {
    name: 'the public half',
    spoil: (file, _key, publicKey) => writeFile(file, publicKey),
    what: /public half/,
    remedy: /private half/,
  },
  {
    name: 'a key with a byte order mark',
    spoil: (file, key) => writeFile(file, `\ufeff${key}`),
    what: /byte order mark/,
    remedy: /^tail /,
    mends: true,
  },
  {
    name: 'a key in UTF-16',
    spoil: (file, key) => writeFile(file, Buffer.from(`\ufeff${key}`, 'utf16le')),
    what: /UTF-16/,
    remedy: /^iconv /,
    mends: true,
  },
  {
    name: 'a key without its last line break',
    spoil: (file, key) => writeFile(file, key.trimEnd()),
    what: /last line break/,
    remedy: /^echo >>/,
    mends: true,
  },
  {
    name: 'a file that is far too large',
    spoil: (file) => writeFile(file, Buffer.alloc(65_537, 'x')),
    what: /far too large/,
    remedy: /^ssh-keygen /,
  },
  { name: 'a text', spoil: (file) => writeFile(file, 'hello\n'), what: /no key/, remedy: /^ssh-keygen / },
];

test.each(FAULTS)('of $name ssh says that it cannot load it, and we say why', async (fault) => {
  const dir = await tempDir();
  const { identityFile: file, publicKeyFile } = await makeKeyPair(join(dir, 'a key'), 'x');
  await fault.spoil(file, await readFile(file, 'utf8'), await readFile(publicKeyFile, 'utf8'));
  // What ssh says of a key that it is to offer is what ssh-keygen says of it.
  const load = () => runProcess('ssh-keygen', ['-y', '-P', '', '-f', file], { env: process.env });
  const said = (await load()).stderr.split('\n').find((line) => line.startsWith('Load key ')) ?? '';
  expect(said).toContain(file);

  const error = classifyGitFailure('connect', `${said}\r\nb@s: Permission denied (publickey).\r\n`);

  expect(error.code).toBe('ssh-identity');
  expect(error.message).toContain(`(${said.trim()})`);
  expect(error.message).toMatch(fault.what);
  expect(error.remedy).toMatch(fault.remedy);
  if (fault.mends === undefined) return;
  await runProcess('sh', ['-c', error.remedy], { env: process.env });
  expect((await load()).exitCode).toBe(0);
  expect(faultOfKeyFile(file)).toBeNull();
});

test('a folder, what is not there, and what cannot be read are named as such', async () => {
  const dir = await tempDir();
  await mkdir(join(dir, 'keys'), { mode: 0o700 });
  expect(faultOfKeyFile(join(dir, 'keys'))).toMatchObject({ what: 'is a folder' });
  expect(faultOfKeyFile(join(dir, 'none'))).toMatchObject({ what: 'is not there' });
  // Another user's key fails with another code, but not for root.
  await symlink('loop', join(dir, 'loop'));
  expect(faultOfKeyFile(join(dir, 'loop'))).toMatchObject({
    what: 'cannot be read (ELOOP)',
    remedy: expect.stringMatching(/^see whose it is: ls -l /),
  });
});

test('a sound key has no fault, and a passphrase is noticed', async () => {
  const dir = await tempDir();
  const { identityFile: file } = await makeKeyPair(join(dir, 'key'), 'x');
  expect([faultOfKeyFile(file), hasPassphrase(file)]).toEqual([null, false]);
  await runProcess('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'secret', '-f', file], { env: process.env });
  expect([faultOfKeyFile(file), hasPassphrase(file)]).toEqual([null, true]);
  await runProcess('ssh-keygen', ['-q', '-p', '-m', 'PEM', '-P', 'secret', '-N', 'other', '-f', file], {
    env: process.env,
  });
  expect(hasPassphrase(file)).toBe(true);
  expect(hasPassphrase(join(dir, 'none'))).toBe(false);
});
