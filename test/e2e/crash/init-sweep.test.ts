import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { runFaulty, stepsOf } from '../../support/dying-cli.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { asOfProtocol1 } from '../../support/old-log.js';
import { startPlainBridge } from '../../support/plain-bridge.js';
import { numbered, stepsToTry } from '../../support/steps-to-try.js';

test('init of an old bridge, killed before any step, leaves hooks and log whole, and works when run again', async () => {
  const bridge = await startPlainBridge({ principals: { bot: 'asker' } });
  const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
  await bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, 'q')));
  const folder = join(bridge.repoPath, 'bridge');
  const log = join(folder, 'answers.log');
  const newLog = await readFile(log, 'utf8');
  const oldLog = asOfProtocol1(newLog);
  const init = ['init', bridge.repoPath];
  const hooks = ['hooks/pre-receive', 'hooks/post-receive', 'bridge/ssh-command'].map((name) =>
    join(bridge.repoPath, name),
  );
  const good = await Promise.all(hooks.map((file) => readFile(file, 'utf8')));
  const old = good.map((text) => `${text}# of an older version\n`);
  const config = (args: readonly string[]) =>
    gitOk(['config', ...args], { gitDir: bridge.repoPath, env: bridge.env });
  const makeOld = async () => {
    await Promise.all(hooks.map((file, index) => writeFile(file, old[index] ?? '')));
    await config(['--unset', 'core.fsync']);
    await config(['bridge.version', '1']);
    for (const name of await readdir(folder))
      if (name.startsWith('answers.log')) await rm(join(folder, name));
    await writeFile(log, oldLog);
  };
  await makeOld();
  const steps = await stepsOf(init, { env: bridge.env });
  for (const { at } of stepsToTry(numbered(steps), /answers\.log|config/)) {
    await makeOld();
    const hit = await runFaulty(init, { env: bridge.env }, at, 'dies');
    for (const [index, file] of hooks.entries()) {
      expect([good[index], old[index]], `${file} after ${hit.step}`).toContain(await readFile(file, 'utf8'));
    }
    expect([oldLog, newLog], `the log after ${hit.step}`).toContain(await readFile(log, 'utf8'));
    const again = await runCli(init, { env: bridge.env });
    expect(again.exitCode, `after ${hit.step}: ${again.stderr}`).toBe(0);
    expect(await Promise.all(hooks.map((file) => readFile(file, 'utf8')))).toEqual(good);
    expect(await config(['core.fsync'])).toBe('all\n');
    expect(await config(['bridge.version'])).toBe('2\n');
    expect(await readFile(log, 'utf8'), `the log after ${hit.step}`).toBe(newLog);
    const aside = await readFile(`${log}.protocol-1`, 'utf8');
    expect(aside, `the old log after ${hit.step}`).toBe(oldLog);
  }
  expect(steps.filter((step) => step.startsWith('rename ')).length).toBeGreaterThanOrEqual(hooks.length);
}, 240_000);
