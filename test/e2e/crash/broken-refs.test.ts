import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { readRepairs } from '../../../src/git/repairs-log.js';
import { runAgentOnceHere } from '../../support/bridge-agent.js';
import { startBridgeFixture } from '../../support/bridge-fixture.js';
import { runCliHere } from '../../support/cli-here.js';
import { forcedPush } from '../../support/forced-push.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { IN_OWN_SESSION } from '../../support/own-session.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { waitUntil } from '../../support/wait-until.js';

const REFS = [
  `refs/bridge/claims/${'2'.repeat(40)}`,
  'refs/bridge/agents/gone-pc',
  'refs/bridge/models/gone-pc',
];

/** A bridge and the environment of its owner. */
interface Place {
  readonly gitDir: string;
  readonly env: Record<string, string>;
}

async function file(place: Place, ref: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(place.gitDir, ref)), { recursive: true });
  await writeFile(join(place.gitDir, ref), content);
}

/** A ref to a blob of its own, and the file of that. */
async function blob(place: Place, ref: string): Promise<string> {
  const id = (await gitOk(['hash-object', '-w', '--stdin'], { ...place, input: randomUUID() })).trim();
  await gitOk(['update-ref', ref, id], place);
  return join(place.gitDir, 'objects', id.slice(0, 2), id.slice(2));
}

/** What a power cut leaves of a ref where the disk had only the name, or all but the object. */
const STATES: Readonly<Record<string, (place: Place, ref: string) => Promise<unknown>>> = {
  'an empty file': (place, ref) => file(place, ref, ''),
  'a file of zeros': (place, ref) => file(place, ref, Buffer.alloc(41)),
  'half a file': (place, ref) => file(place, ref, '0123456789'),
  'the id of nothing': (place, ref) => file(place, ref, `${'0'.repeat(40)}\n`),
  'an object that is not there': async (place, ref) => rm(await blob(place, ref)),
  'an object that is not there, and is packed itself': async (place, ref) => {
    const object = await blob(place, ref);
    await gitOk(['pack-refs', '--all'], place);
    await rm(object);
  },
  'an object that is empty': async (place, ref) => truncate(await blob(place, ref), 0),
  'an object that is cut in half': async (place, ref) => truncate(await blob(place, ref), 12),
};

/** These are seen before git sees the push, the others by what git says of them. */
const AT_ONCE = ['an empty file', 'a file of zeros', 'half a file'];

/** These keep a fetch from its end. git asks no more of an object in a push than how it begins. */
const STOP_FETCHES = ['an object that is empty', 'an object that is cut in half'];
const STOP_PUSHES = Object.keys(STATES).filter((state) => state !== 'an object that is cut in half');

const repairs = (gitDir: string) => readRepairs(gitDir, 0).map(({ text }) => text);

describe('refs beside the record, broken by a power cut,', () => {
  test('keep no ask and no answer over ssh, and are gone', async () => {
    const ssh = await startBridgeFixture({ hooks: 'here' });
    const standIn = await startStandIn();
    onCleanup(standIn.close);
    const place = { gitDir: ssh.repoPath, env: ssh.ownerEnv };
    const plant = async () => {
      for (const [at, [, make]] of Object.entries(STATES).entries())
        await make(
          place,
          at % 2 === 0 ? `refs/bridge/claims/${String(at).repeat(40)}` : `refs/bridge/agents/pc-${at}`,
        );
    };
    await plant();
    const asked = await runCliHere(['ask', '--no-wait', '2+2', '--repo', ssh.sshUrl], {
      env: ssh.principal('bot').env,
    });
    await plant();
    const answered = await runAgentOnceHere(ssh, standIn, { state: 'pc' });

    expect(asked, asked.stderr).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^[0-9a-f]{40}\n$/),
    });
    expect(answered, answered.stderr).toMatchObject({ exitCode: 0 });
    expect(await ssh.answersLog()).toMatchObject([{ task_commit: asked.stdout.trim(), answer: '4' }]);
    expect(await gitOk(['for-each-ref', 'refs/bridge'], place)).toBe('');
    expect(repairs(ssh.repoPath)).toHaveLength(2 * Object.keys(STATES).length);
  });

  describe('each by itself', () => {
    let bridge: PlainBridge;
    beforeAll(async () => {
      bridge = await startPlainBridge({ principals: { bot: 'asker' }, hooks: 'here for all' });
    });

    test.each(STOP_PUSHES.map((state, at) => [REFS[at % REFS.length] ?? '', state] as const))(
      'are removed by who comes next: %s with %s',
      async (ref, state) => {
        const place = { gitDir: bridge.repoPath, env: bridge.env };
        await STATES[state]?.(place, ref);
        const before = repairs(bridge.repoPath).length;
        const task = await bridge.writer.ask(await bridge.tip(), `${ref} ${state}`, { author: 'bot' });
        let pushed = await forcedPush(bridge, task, 'bot');
        if (!AT_ONCE.includes(state) && pushed.exitCode !== 0) {
          await waitUntil(() => repairs(bridge.repoPath).length > before, 'somebody has put it right');
          pushed = await forcedPush(bridge, task, 'bot');
        }

        expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
        expect(repairs(bridge.repoPath).slice(before)).toEqual([
          expect.stringContaining(`removed ${ref}, whose `),
        ]);
        await expect(readFile(join(bridge.repoPath, ref))).rejects.toThrow('ENOENT');
        expect(await gitOk(['for-each-ref', 'refs/bridge'], place)).toBe('');
        // Nothing of it is in the way of the upkeep either.
        await gitOk(['fsck'], place);
      },
    );

    test.each(STOP_FETCHES)('keep no fetch for long: a claim with %s', async (state) => {
      const place = { gitDir: bridge.repoPath, env: bridge.env };
      const [ref = ''] = REFS;
      await STATES[state]?.(place, ref);
      const before = repairs(bridge.repoPath).length;
      const upload = join(bridge.dir, 'upload');
      await writeFile(
        upload,
        `#!/bin/sh\nSSH_ORIGINAL_COMMAND="git-upload-pack '$1'" exec ${IN_OWN_SESSION}'${bridge.repoPath}/bridge/ssh-command' bot\n`,
        { mode: 0o755 },
      );
      const fetch = ['fetch', '-q', `--upload-pack=${upload}`, bridge.repoPath, `+${ref}:refs/x`];
      const fetched = gitOk(fetch, { gitDir: bridge.cloneDir, env: bridge.env });

      await expect(fetched).rejects.toThrow(/corrupt|is empty|not our ref|hung up/);
      await waitUntil(() => repairs(bridge.repoPath).length > before, 'somebody has put it right');
      expect(await gitOk(['for-each-ref', 'refs/bridge'], place)).toBe('');
    });

    test('in the way of an agent on this machine are removed by itself', async () => {
      const place = { gitDir: bridge.repoPath, env: bridge.env };
      const standIn = await startStandIn();
      onCleanup(standIn.close);
      const refs = Object.keys(STATES).map(
        (state, at) => [state, `refs/bridge/claims/${String(at).repeat(40)}`] as const,
      );
      for (const [state, ref] of refs) await STATES[state]?.(place, ref);
      const asked = await runCliHere(['ask', '--no-wait', '2+2', '--repo', bridge.repoPath], {
        env: bridge.env,
      });
      const where = ['--repo', bridge.repoPath, '--state-dir', join(bridge.dir, 'state')];
      const agent = ['agent', '--once', ...where, '--backend', 'ollama', '--ollama-url', standIn.ollamaUrl];
      const answered = await runCliHere(agent, { env: bridge.env });

      expect(asked, asked.stderr).toMatchObject({ exitCode: 0 });
      expect(answered, answered.stderr).toMatchObject({ exitCode: 0 });
      expect(await bridge.readLog()).toContain(asked.stdout.trim());
      expect(await gitOk(['for-each-ref', 'refs/bridge'], place)).toBe('');
    });

    test('that break while an agent on this machine generates are removed by it, before its push', async () => {
      const place = { gitDir: bridge.repoPath, env: bridge.env };
      const standIn = await startStandIn();
      onCleanup(standIn.close);
      const asking = ['ask', '--no-wait', '3+3', '--repo', bridge.repoPath];
      const task = (await runCliHere(asking, { env: bridge.env })).stdout.trim();
      const ref = `refs/bridge/claims/${'9'.repeat(40)}`;
      const broken = async () => {
        await STATES['an object that is not there']?.(place, ref);
      };
      standIn.behave = () => ({ firstTokenAfter: broken() });
      const where = ['--repo', bridge.repoPath, '--state-dir', join(bridge.dir, 'state-2')];
      const agent = ['agent', '--once', ...where, '--backend', 'ollama', '--ollama-url', standIn.ollamaUrl];
      const answered = await runCliHere(agent, { env: bridge.env });

      expect(answered, answered.stderr).toMatchObject({ exitCode: 0 });
      expect(answered.stderr).toMatch(new RegExp(`removed ${ref}, whose .* \\(in the bridge\\)`));
      expect(await bridge.readLog()).toContain(task);
      expect(await gitOk(['for-each-ref', 'refs/bridge'], place)).toBe('');
    });
  });
});
