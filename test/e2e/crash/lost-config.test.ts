import { access, chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/names.js';
import { startAgent } from '../../support/bridge-agent.js';
import { startBridgeFixture } from '../../support/bridge-fixture.js';
import { runCli } from '../../support/cli.js';
import { forcedPush } from '../../support/forced-push.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { IN_OWN_SESSION } from '../../support/own-session.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

// SECURITY.md: P21

test('a bridge whose config is empty serves nobody over ssh, and goes on once init has written it again', async () => {
  const bridge = await startBridgeFixture();
  const standIn = await startStandIn();
  onCleanup(standIn.close);
  const ask = () => runCli(['ask', '2+2', '--repo', bridge.sshUrl], { env: bridge.principal('bot').env });
  await writeFile(join(bridge.repoPath, 'config'), '');
  const agent = await startAgent(bridge, standIn, { state: 'pc' });
  await agent.waitFor('stderr', /the bridge has lost its config.*; trying again until it works/);
  const refused = await ask();
  const restored = await runCli(['init', bridge.repoPath], { env: bridge.ownerEnv });
  const answered = await ask();

  expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^error: .*the bridge has lost its config/m);
  expect(restored, restored.stderr).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('upgraded'),
  });
  expect(answered, answered.stderr).toMatchObject({ exitCode: 0, stdout: '4\n' });
});

describe('init of a bridge that has lost its config', () => {
  test.each(['sha1', 'sha256'])('writes one by which it works as before, with ids of %s', async (hash) => {
    const bridge = await startPlainBridge({ env: { GIT_DEFAULT_HASH: hash } });
    const file = join(bridge.repoPath, 'config');
    const before = await settings(bridge);
    const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
    await writeFile(file, Buffer.alloc(before.length));

    const done = await runCli(['init', bridge.repoPath], { env: bridge.env });

    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect((await settings(bridge)).split('\n').sort()).toEqual(before.split('\n').sort());
    expect(
      (await readdir(bridge.repoPath)).filter((name) => name.startsWith('config.damaged-')),
    ).toHaveLength(1);
    await bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, 'q')));
  });

  function settings(bridge: { repoPath: string; env: Record<string, string> }): Promise<string> {
    return gitOk(['config', '--local', '--list'], { gitDir: bridge.repoPath, env: bridge.env });
  }
});

test('where the config says no more than what it is, what is hidden stays hidden, and a push is judged and rings', async () => {
  const bridge = await startPlainBridge({ principals: { bot: 'asker' } });
  const at = { gitDir: bridge.repoPath, env: bridge.env };
  const secret = (await gitOk(['hash-object', '-w', '--stdin'], { ...at, input: 'a memory' })).trim();
  await gitOk(['update-ref', 'refs/bridge/watch/x', secret], at);
  await gitOk(['update-ref', 'refs/heads/of-the-owner', await bridge.tip()], at);
  await writeFile(
    join(bridge.repoPath, 'config'),
    `[core]\n\tbare = true\n[bridge]\n\tversion = ${PROTOCOL_VERSION}\n`,
  );
  await rm(join(bridge.repoPath, 'logs'), { recursive: true });
  const upload = join(bridge.dir, 'upload');
  const forced = `'${bridge.repoPath}/bridge/ssh-command' bot`;
  await writeFile(
    upload,
    `#!/bin/sh\nSSH_ORIGINAL_COMMAND="git-upload-pack '$1'" exec ${IN_OWN_SESSION}${forced}\n`,
  );
  await chmod(upload, 0o755);
  const shown = await gitOk(['ls-remote', '--refs', `--upload-pack=${upload}`, bridge.repoPath], at);
  const bad = await bridge.writer.set(await bridge.tip(), 'notes.txt', 'x', { author: 'bot' });
  const refused = await forcedPush(bridge, bad, 'bot');
  const task = await bridge.writer.ask(await bridge.tip(), 'q', { author: 'bot' });
  const pushed = await forcedPush(bridge, task, 'bot');

  expect(shown).toBe(`${(await gitOk(['rev-parse', `${task}~1`], at)).trim()}\trefs/heads/main\n`);
  expect(refused.stderr).toContain('llm-bridge refused [shape]');
  expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
  await access(join(bridge.repoPath, 'logs/HEAD'));
  expect(await readFile(join(bridge.repoPath, 'logs/HEAD'), 'utf8')).toContain(task);
});
