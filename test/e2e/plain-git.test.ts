import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { answerMessage } from '../../src/protocol/commit-message.js';
import { git } from '../support/git.js';
import { anAnswer } from '../support/message-writer.js';
import { startPlainBridge } from '../support/plain-bridge.js';
import { readCodeBlocks, sectionOf } from '../support/read-markdown.js';
import { runProcess } from '../support/run-process.js';

const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

test('a person with nothing but git asks, loses a race, and finds the answer, by the commands of the specification', async () => {
  const bridge = await startPlainBridge({
    principals: { laptop: 'asker', bot: 'asker', 'home-pc': 'agent' },
  });
  const [block] = readCodeBlocks(sectionOf(page, 'What an asker does'));
  const [clone = '', ...commands] = (block?.text ?? '').split('\n').map((line) => line.replace(/ +#.*$/, ''));
  const env = { ...bridge.env, LLM_BRIDGE_PRINCIPAL: 'laptop' };
  const cwd = path.join(bridge.dir, 'bridge');
  const sh = (command: string, where: string) => runProcess('sh', ['-c', command], { env, cwd: where });
  const ok = async (command: string, where = cwd) => {
    const run = await sh(command, where);
    expect({ command, ...run }).toMatchObject({ exitCode: 0 });
    return run.stdout;
  };
  await ok(clone.replace(/ssh:\S+/, bridge.repoPath), bridge.dir);
  const at = commands.findIndex((command) => command.endsWith(' && git push'));
  for (const command of commands.slice(0, at)) await ok(command);
  await ok(commands[at]?.replace(/ && git push$/, '') ?? '');
  // Meanwhile the bot writes the same file.
  const { writer } = bridge;
  const raced = await bridge.pushOk(
    await writer.set(await bridge.tip(), 'task.txt', '3+3\n', { author: 'bot' }),
    'bot',
  );
  expect(await sh('git push', cwd)).not.toMatchObject({ exitCode: 0 });
  const [pull = '', log = ''] = commands.slice(at + 1);
  await ok(pull);
  await ok('git push');

  const tip = await bridge.tip();
  const inBridge = { gitDir: bridge.repoPath, env: bridge.env };
  const { stdout } = await git(['log', '--first-parent', '--format=%an %s', 'main'], inBridge);
  expect(stdout.split('\n').slice(0, 2)).toEqual(['laptop ask: 2+2', expect.stringMatching(/^bot /)]);
  expect((await git(['rev-parse', `${tip}^`], inBridge)).stdout.trim()).toBe(raced);

  const answer = anAnswer(tip, '2+2\n');
  await git(['fetch', '--quiet', bridge.repoPath, 'main:main'], { gitDir: bridge.cloneDir, env: bridge.env });
  const answered = await writer.set(tip, 'inbox.json', JSON.stringify(answer), {
    ...{ author: 'home-pc', message: answerMessage(answer) },
  });
  await bridge.pushOk(answered, 'home-pc');
  await ok('git pull');
  expect(await ok(log.replace('<id of the task>', tip))).toContain(`commit ${answered}`);
});
