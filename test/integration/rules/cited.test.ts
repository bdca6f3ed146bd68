import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { parseRefusal } from '../../../src/protocol/refusal.js';
import { forcedPush } from '../../support/forced-push.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, messageWriter, writeMany } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';

// SECURITY.md: P10

/**
 * Honest pushes that name, or send again, what the server has: git leaves out what it knows to be there, and
 * the server writes nothing that it has. What is not honest is in test/e2e/hostile/cited.test.ts.
 */
let bridge: PlainBridge;

beforeEach(async () => {
  bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' }, hooks: 'here' });
});

const BOT = { author: 'bot' };
const AGENT = { author: 'home-pc' };

/** Through the forced command, as over ssh. */
async function accepts(commit: string, who: string): Promise<string> {
  const result = await forcedPush(bridge, commit, who);
  expect(result.exitCode, result.stderr).toBe(0);
  expect(await bridge.tip()).toBe(commit);
  return commit;
}

/**
 * As a push leaves its objects that was let in, and then lost the race for main, or whose git was killed.
 */
async function leaveInBridge(commit: string): Promise<void> {
  const script =
    'git --git-dir "$1" pack-objects --revs --stdout --quiet | git --git-dir "$2" unpack-objects -q';
  const done = await runProcess('sh', ['-c', script, 'sh', bridge.cloneDir, bridge.repoPath], {
    env: bridge.env,
    input: `${commit}\n^${await bridge.tip()}\n`,
  });
  expect(done).toMatchObject({ exitCode: 0 });
}

const long = () => randomBytes(5000).toString('base64');

test('what was left by a push that lost is let in when it is pushed again, also as a difference to what main has', async () => {
  const text = long();
  const asked = await accepts(await bridge.writer.ask(await bridge.tip(), text, BOT), 'bot');
  const again = await bridge.writer.ask(
    asked,
    `${text.slice(0, 3000)}a few other words${text.slice(3000)}`,
    BOT,
  );
  await leaveInBridge(again);
  await accepts(again, 'bot');
  // And where the hook is on its own.
  const command = join(bridge.repoPath, 'bridge', 'ssh-command');
  await writeFile(command, (await readFile(command, 'utf8')).replace('"$node" "$hook"', 'false'));
  const answer = await bridge.writer.answer(again, anAnswer(asked, text), AGENT);
  await leaveInBridge(answer);
  await accepts(answer, 'home-pc');
});

test('a batch of answers is let in, some of which the server has from a push that lost', async () => {
  const [one, two, three] = await writeMany(
    { gitDir: bridge.cloneDir, env: bridge.env },
    await bridge.tip(),
    3,
  );
  await bridge.pushOk(three ?? '');
  const text = long();
  const answers = [one, two, three].map((task, n) =>
    anAnswer(task ?? '', `question ${n}`, { answer: `${text}${n}` }),
  );
  let tip = three ?? '';
  for (const answer of answers) tip = await bridge.writer.answer(tip, answer, AGENT);
  const [second] = answers.slice(1);
  if (second !== undefined) await leaveInBridge(await bridge.writer.answer(three ?? '', second, AGENT));
  await accepts(tip, 'home-pc');
});

test('a question is let in that the owner keeps somewhere by chance, and one that was asked before', async () => {
  const inBridge = messageWriter(bridge.repoPath, bridge.env);
  const kept = await inBridge.ask(await bridge.tip(), 'what time is it?');
  await gitOk(['update-ref', 'refs/heads/private', kept], { gitDir: bridge.repoPath, env: bridge.env });
  let tip = await bridge.tip();
  for (const text of ['what time is it?', 'and now?', 'what time is it?', 'and now?'])
    tip = await accepts(await bridge.writer.ask(tip, text, BOT), 'bot');
  const back = await bridge.writer.ask(
    await bridge.writer.ask(tip, 'what time is it?', BOT),
    'and now?',
    BOT,
  );
  await accepts(back, 'bot');
});

test('a question is let in that git leaves out, because its bitmaps say that the server has it', async () => {
  let tip = await bridge.tip();
  for (const text of ['one', 'two', 'three']) tip = await bridge.pushOk(await bridge.writer.ask(tip, text));
  await gitOk(['update-ref', 'refs/heads/main', tip], { gitDir: bridge.cloneDir, env: bridge.env });
  await gitOk(['repack', '-adbq'], { gitDir: bridge.cloneDir, env: bridge.env });
  const again = await bridge.writer.ask(tip, 'one', BOT);
  const told = { ...bridge.env, GIT_TRACE2_EVENT: join(bridge.dir, 'trace') };
  const result = await forcedPush({ ...bridge, env: told }, again, 'bot');
  expect(result.exitCode, result.stderr).toBe(0);
  // The commit, and neither the tree nor the blob.
  expect(await readFile(join(bridge.dir, 'trace'), 'utf8')).toMatch(/"write_pack_file\/wrote","value":"1"/);
});

test('where the pack was not seen, what may have been left out is refused for now, in words that name the cause', async () => {
  const asked = await bridge.writer.ask(await bridge.tip(), 'one', BOT);
  await leaveInBridge(asked);
  const refused = async () => parseRefusal((await bridge.push([`${asked}:refs/heads/main`], 'bot')).stderr);
  expect(await refused()).toMatchObject({
    code: 'internal',
    text: expect.stringContaining('cannot tell whether it came with the push'),
  });
  const command = join(bridge.repoPath, 'bridge', 'ssh-command');
  const text = await readFile(command, 'utf8');
  // As one of an older version, which makes no copy.
  await writeFile(command, text.replace('\n  keep_pack\n', '\n'));
  const over = await forcedPush(bridge, asked, 'bot');
  expect(parseRefusal(over.stderr)).toMatchObject({
    code: 'internal',
    remedy: expect.stringContaining('init'),
  });
  await writeFile(command, text);
  await accepts(asked, 'bot');
  // The owner has the files.
  const second = await bridge.writer.ask(asked, 'two');
  await leaveInBridge(second);
  await bridge.pushOk(second);
});
