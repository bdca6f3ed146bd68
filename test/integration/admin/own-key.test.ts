import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownKey } from '../../../src/admin/join/own-key.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

test.each([
  ['a folder', (file: string) => rm(file).then(() => mkdir(file, { mode: 0o700 })), /folder/],
  ['a public half', (file: string) => writeFile(file, 'ssh-ed25519 AAAA x\n'), /public half/],
  ['a text', (file: string) => writeFile(file, 'hello\n'), /no key/],
  ['nothing', (file: string) => writeFile(file, ''), /empty/],
])('join takes no %s for a key, and says what it is', async (_what, spoil, said) => {
  const file = join(await tempDir(), 'id');
  await ownKey(file, 'pc');
  await spoil(file);
  await expect(ownKey(file, 'pc')).rejects.toMatchObject({
    code: 'ssh-identity',
    message: expect.stringMatching(said) as unknown,
  });
});

test('where the public half of a key is missing, the remedy writes it, whatever the path has in it', async () => {
  const file = join(await tempDir(), "my PC's id");
  const { publicKey } = await ownKey(file, 'pc');
  await rm(`${file}.pub`);

  const refused = await ownKey(file, 'pc').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'bad-key' });
  const [, command = 'false'] = /: (ssh-keygen .*)$/.exec((refused as { remedy: string }).remedy) ?? [];
  await runProcess('sh', ['-c', command], { env: process.env });

  expect(await ownKey(file, 'pc')).toMatchObject({ publicKey, isNew: false });
  expect(await readFile(`${file}.pub`, 'utf8')).toContain(publicKey);
});
