import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { waitUntilLetIn } from '../../../src/admin/join/let-in.js';
import { parseAddress } from '../../../src/bridge/address.js';
import { ownSshCommand } from '../../../src/bridge/ssh-settings.js';
import { cleanEnv } from '../../support/clean-env.js';
import { tempDir } from '../../support/temp-dir.js';

// What sshd since OpenSSH 9.8 counts for a login that failed (PerSourcePenalties, authfail).
const PENALTY_MS = 5_000;

test('who waits to be let in comes so seldom that no sshd turns the address away', async () => {
  const dir = await tempDir();
  const program = join(dir, 'ssh');
  const script = `date +%s%3N >> '${dir}/times'; echo 'bridge@server: Permission denied (publickey).' >&2; exit 255`;
  await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const env = cleanEnv(dir, { GIT_SSH_COMMAND: program });
  const address = parseAddress('ssh://bridge@server/srv/llm-bridge/bridge.git');
  if (address.kind !== 'ssh') throw new Error('no address of ssh');
  const connection = { address, ssh: await ownSshCommand(env), env };

  const said = await waitUntilLetIn(connection, { signal: new AbortController().signal, tries: 2 });

  expect(said).toBe('refused');
  const [first = 0, second = 0, ...more] = (await readFile(join(dir, 'times'), 'utf8'))
    .trim()
    .split('\n')
    .map(Number);
  expect(second - first).toBeGreaterThan(PENALTY_MS);
  expect(more).toEqual([]);
});
