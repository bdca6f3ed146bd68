import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { catchUpLog, sweepDoneClaims } from '../../../src/log/catch-up-log.js';
import { claimRef, writeClaim } from '../../../src/protocol/claim.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { anAnswer, messageWriter } from '../../support/message-writer.js';

test('claims that a crash left on answered tasks are deleted by whoever works on the server, once they are over', async () => {
  const bridge = await bareBridge();
  const { gitDir, env, git } = bridge;
  await mkdir(join(gitDir, 'bridge'));
  const write = messageWriter(gitDir, env);
  const nowMs = Date.now();
  const root = await git(['rev-parse', 'main']);
  const expired = await write.ask(root, 'expired', { secondsFromNow: -30 * 86_400 });
  const answered = await write.ask(expired, 'answered');
  const late = await write.ask(answered, 'answered, and its claim is young');
  const open = await write.ask(late, 'open');
  const one = await write.answer(open, anAnswer(answered, 'answered'));
  const two = await write.answer(one, anAnswer(late, 'answered, and its claim is young'));
  await git(['update-ref', 'refs/heads/main', two]);
  const claim = async (task: string, overMs: number) => {
    const until = new Date(nowMs - overMs).toISOString();
    const bytes = writeClaim({ agent: 'home-pc', session: '1'.repeat(16), until });
    await git(['update-ref', claimRef(task), await write.blob(bytes)]);
  };
  await claim(answered, 31_000);
  await claim(late, 29_000);
  await claim(open, 31_000);
  await claim(expired, 31_000);

  await sweepDoneClaims({ gitDir, env }, nowMs);

  const left = (await git(['for-each-ref', '--format=%(refname)', 'refs/bridge/claims/'])).split('\n');
  expect(left.sort()).toEqual([claimRef(late), claimRef(open)].sort());

  // Whoever brings the log up to date does it along with that.
  await claim(answered, 60_000);
  await catchUpLog({ gitDir, env });
  expect(await git(['for-each-ref', claimRef(answered)])).toBe('');
  expect(await git(['for-each-ref', '--format=%(refname)', claimRef(open)])).toBe(claimRef(open));
});
