import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { expectedHooks } from '../../../src/admin/install-hooks.js';

const hooks = new URL('../../../hooks/', import.meta.url);

test('the forced command is installed as one file, with each of its parts in it once', async () => {
  const installed = await expectedHooks({ node: '/usr/bin/node', path: '/usr/bin:/bin' });
  const text = installed.find(({ target }) => target === 'bridge/ssh-command')?.text ?? '';

  for (const part of await readdir(new URL('ssh-command.d/', hooks))) {
    const functions = (await readFile(new URL(`ssh-command.d/${part}`, hooks), 'utf8')).match(
      /^\w+\(\) \{$/gm,
    );
    expect(functions, part).not.toBeNull();
    for (const line of functions ?? []) expect(text.split(`\n${line}\n`), `${part}: ${line}`).toHaveLength(2);
  }
  // Nothing is read from another file when a key comes in, and no value is missing.
  expect(text).not.toMatch(/^\s*(?:\.|source) |@[A-Z_]+@/m);
});
