import { expect, test } from 'vitest';
import { runWake } from '../../../src/admin/wake/run-wake.js';
import { freePort } from '../../../src/demo/free-port.js';
import { cleanEnv } from '../../support/clean-env.js';
import { tempDir } from '../../support/temp-dir.js';

test('a waker that is stopped before it has reached its server ends in good order', async () => {
  const home = await tempDir();
  const stop = new AbortController();
  const events: unknown[] = [];
  await runWake({
    access: { repo: `ssh://bot@127.0.0.1:${await freePort()}/srv/bridge.git`, env: cleanEnv(home) },
    target: null,
    command: null,
    log(_level, _text, fields) {
      events.push(fields?.event);
      stop.abort(new Error('stopped by SIGTERM'));
    },
    signal: stop.signal,
  });
  expect(events).toEqual(['retrying']);
});
