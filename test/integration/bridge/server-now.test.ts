import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { readTerms } from '../../../src/bridge/bridge-terms.js';
import { openConnection } from '../../../src/bridge/connection.js';
import { cleanEnv } from '../../support/clean-env.js';
import { tempDir } from '../../support/temp-dir.js';

afterEach(() => {
  vi.useRealTimers();
});

/** A connection to a server that says nothing but this. */
async function connectionTo(says: string) {
  const dir = await tempDir();
  const ssh = join(dir, 'to-the-server');
  await writeFile(ssh, `#!/bin/sh\ncat <<'END'\n${says}\nEND\n`);
  await chmod(ssh, 0o755);
  return openConnection('ssh://bridge@server.invalid/bridge.git', cleanEnv(dir, { GIT_SSH_COMMAND: ssh }));
}

test("the server's time goes on from what it said, however the clock of this machine is set", async () => {
  const saidMs = Date.parse('2026-03-01T12:00:00.750Z');
  const hello = {
    ...{ name: 'home-pc', role: 'agent', protocol: 2, time: '2026-03-01T12:00:00.750Z' },
    ...{ task_ttl: '7d', max_task_bytes: 1_048_576, max_answer_bytes: 1_048_576 },
  };
  const connection = await connectionTo(JSON.stringify(hello));
  const before = performance.now();
  const { serverNow } = await readTerms(connection);
  // Never ahead of the server's own clock, which was at `saidMs` after `before`.
  expect(serverNow() - saidMs).toBeLessThanOrEqual(performance.now() - before);
  vi.useFakeTimers({ toFake: ['Date'] });
  for (const offMs of [0, 30 * 86_400_000, -3_600_000]) {
    vi.setSystemTime(Date.now() + offMs);
    expect(serverNow()).toBeGreaterThanOrEqual(saidMs);
    expect(serverNow()).toBeLessThan(saidMs + 10_000);
  }
});

/** What the forced command prints. */
const hello = (other: object = {}) =>
  JSON.stringify({
    ...{ name: 'home-pc', role: 'agent', protocol: 2, time: '2026-03-01T12:00:00Z' },
    ...{ task_ttl: '7d', max_task_bytes: 1_048_576, max_answer_bytes: 1_048_576 },
    ...other,
  });

test.each(['9999-12-31T23:59:59Z', '2100-01-01T00:00:00Z', '2024-12-31T23:59:59Z', '0001-01-01T00:00:00Z'])(
  'a server that says %s is refused: nothing that is dated by it would be taken',
  async (time) => {
    const asked = readTerms(await connectionTo(hello({ time })));
    await expect(asked).rejects.toMatchObject({
      ...{ code: 'server-clock', retryable: true },
      message: `the server says that it is ${time}, which cannot be`,
    });
  },
);

test('who we are is found behind what the shell of the server prints', async () => {
  const { principal } = await readTerms(await connectionTo(`Welcome\nto the server\n${hello()}`));
  expect(principal).toEqual({ name: 'home-pc', role: 'agent' });
});

test('where no time is told, it is that of this machine', async () => {
  const { serverNow } = await readTerms(await connectionTo('Welcome to another git host'));
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(Date.parse('2026-03-01T12:00:00Z'));
  expect(serverNow()).toBe(Date.parse('2026-03-01T12:00:00Z'));
});
