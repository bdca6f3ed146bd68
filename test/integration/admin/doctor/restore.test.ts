import { chmod, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Finding, runChecks } from '../../../../src/admin/doctor/finding.js';
import { serverChecks } from '../../../../src/admin/doctor/server-checks.js';
import { ingest } from '../../../../src/log/ingest.js';
import { type BareBridge, bareBridge } from '../../../support/bare-bridge.js';
import { gitOk } from '../../../support/git.js';
import { anAnswer, messageWriter } from '../../../support/message-writer.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { runProcess } from '../../../support/run-process.js';

const MAIN = 'refs/heads/main';

/** A bridge with a logged answer and two tasks behind it, each moved to by git as a push does. */
interface Restorable extends BareBridge {
  readonly ids: { readonly answer: string; readonly first: string; readonly last: string };
}

async function restorable(): Promise<Restorable> {
  const bridge = await bareBridge();
  const { gitDir, env, git } = bridge;
  await mkdir(join(gitDir, 'bridge', 'principals'), { recursive: true });
  await writeFile(join(gitDir, 'bridge', 'ssh-command'), '#!/bin/sh\n');
  await writeFile(join(gitDir, 'bridge', 'principals', 'home-pc'), 'agent SHA256:x\n');
  await writeFile(join(gitDir, 'bridge', 'principals', 'bot'), 'asker SHA256:y\n');
  const write = messageWriter(gitDir, env);
  const move = async (id: string) => {
    await git(['update-ref', '-m', 'push', MAIN, id]);
    return id;
  };
  const asked = await move(await write.ask(await git(['rev-parse', MAIN]), 'one'));
  const answer = await move(await write.answer(asked, anAnswer(asked, 'one')));
  await ingest({ gitDir, env }, { now: Date.now });
  const first = await move(await write.ask(answer, 'two'));
  const last = await move(await write.ask(first, 'three'));
  return { ...bridge, ids: { answer, first, last } };
}

async function doctor(bridge: BareBridge, fix: boolean): Promise<Finding[]> {
  const options = { repoPath: bridge.gitDir, env: bridge.env, fix, now: Date.now };
  const authorizedKeysFile = join(bridge.dir, 'authorized_keys');
  const findings: Finding[] = [];
  for await (const one of runChecks(serverChecks({ ...options, authorizedKeysFile }))) findings.push(one);
  return findings;
}

function of(findings: readonly Finding[], check: string): Finding[] {
  return findings.filter((one) => one.check === check);
}

/** What a power cut leaves of an object: its file, without a byte. */
async function empty(bridge: BareBridge, name: string): Promise<void> {
  const id = await bridge.git(['rev-parse', name]);
  const file = join(bridge.gitDir, 'objects', id.slice(0, 2), id.slice(2));
  await chmod(file, 0o644);
  await truncate(file);
}

const mainFile = (bridge: BareBridge) => join(bridge.gitDir, MAIN);

describe('doctor --fix restores main by the reflog', () => {
  const cases: readonly {
    readonly name: string;
    readonly lose: (bridge: Restorable) => Promise<unknown>;
    readonly to: keyof Restorable['ids'];
    readonly leaves: readonly (keyof Restorable['ids'])[];
  }[] = [
    { name: 'whose file is empty', lose: (b) => writeFile(mainFile(b), ''), to: 'last', leaves: [] },
    {
      name: 'whose file is full of zeros, and so is the end of the reflog',
      async lose(b) {
        await writeFile(mainFile(b), Buffer.alloc(41));
        await writeFile(join(b.gitDir, 'logs', MAIN), Buffer.alloc(200), { flag: 'a' });
      },
      ...{ to: 'last', leaves: [] },
    },
    { name: 'whose file is gone', lose: (b) => rm(mainFile(b)), to: 'last', leaves: [] },
    {
      name: 'whose file is empty, and the reflog of main is gone',
      async lose(b) {
        await writeFile(mainFile(b), '');
        await rm(join(b.gitDir, 'logs', MAIN));
      },
      ...{ to: 'last', leaves: [] },
    },
    { name: 'whose commit is empty', lose: (b) => empty(b, 'main'), to: 'first', leaves: ['last'] },
    { name: 'whose tree is empty', lose: (b) => empty(b, 'main^{tree}'), to: 'first', leaves: ['last'] },
    {
      name: 'whose file task.txt is empty',
      lose: (b) => empty(b, 'main:task.txt'),
      to: 'first',
      leaves: ['last'],
    },
    {
      name: 'of which two commits are empty',
      async lose(b) {
        await empty(b, 'main~1');
        await empty(b, 'main');
      },
      ...{ to: 'answer', leaves: ['first', 'last'] },
    },
  ];
  test.each(cases)('$name', async ({ lose, to, leaves }) => {
    const bridge = await restorable();
    const { ids } = bridge;
    await lose(bridge);

    const [named] = of(await doctor(bridge, false), 'history');
    const [fixed] = of(await doctor(bridge, true), 'history');
    const [after] = of(await doctor(bridge, false), 'history');

    expect(named).toMatchObject({
      status: 'broken',
      remedy: expect.stringMatching(/^llm-bridge doctor --fix /),
    });
    expect(fixed?.text).toContain(`main is restored to ${ids[to].slice(0, 8)}`);
    for (const one of leaves) expect(fixed?.text).toContain(ids[one].slice(0, 8));
    expect(fixed?.status).toBe(leaves.length === 0 ? 'ok' : 'warning');
    expect(after).toMatchObject({ status: 'ok', text: `main is at ${ids[to].slice(0, 8)}` });
    expect(await bridge.git(['rev-parse', MAIN])).toBe(ids[to]);
    // What came with the power cut is no object any more, so the same task can be pushed again.
    const again = await messageWriter(bridge.gitDir, bridge.env).ask(ids[to], 'three');
    await bridge.git(['update-ref', MAIN, again]);
    await bridge.git(['fsck', '--strict', '--no-reflogs', '--no-dangling']);
    expect(await readFile(join(bridge.gitDir, 'bridge', 'repairs.log'), 'utf8')).toContain(
      'main is restored',
    );
  });
});

test.each([0o000, 0o077])('main has its mode when it is restored, whatever the umask (%i)', async (mask) => {
  const bridge = await restorable();
  await rm(mainFile(bridge));
  const umask = process.umask(mask);
  onCleanup(() => void process.umask(umask));

  await doctor(bridge, true);

  expect((await stat(mainFile(bridge))).mode & 0o777).toBe(0o640);
});

describe('doctor --fix leaves main alone, and says who may have it,', () => {
  test.each<[string, (bridge: Restorable) => Promise<unknown>]>([
    [
      'where nothing that is whole continues the last record of the log',
      async (b) => {
        for (const name of ['main~2', 'main~1', 'main']) await empty(b, name);
      },
    ],
    [
      'where there is no reflog',
      async (b) => {
        await rm(join(b.gitDir, 'logs'), { recursive: true });
        await writeFile(mainFile(b), '');
      },
    ],
  ])('%s', async (_name, lose) => {
    const bridge = await restorable();
    await lose(bridge);
    const before = await readFile(mainFile(bridge), 'utf8');

    const [found] = of(await doctor(bridge, true), 'history');

    expect(found).toMatchObject({ status: 'broken', text: expect.stringContaining('no line of its reflog') });
    expect(found?.text).toContain('a backup (docs/operating.md) or the clone of an agent (home-pc) has it');
    expect(await readFile(mainFile(bridge), 'utf8')).toBe(before);
  });

  test('and what it says to do with the clone of an agent brings main back', async () => {
    const bridge = await restorable();
    const clone = join(bridge.dir, 'clone.git');
    await gitOk(['clone', '--quiet', '--bare', `file://${bridge.gitDir}`, clone], { env: bridge.env });
    await gitOk(['update-ref', 'refs/remotes/bridge/main', MAIN], { gitDir: clone, env: bridge.env });
    await rm(join(bridge.gitDir, 'logs'), { recursive: true });
    await empty(bridge, 'main');
    const [found] = of(await doctor(bridge, true), 'history');

    const command = found?.remedy?.replace('CLONE', clone) ?? '';
    expect(await runProcess('sh', ['-c', command], { env: bridge.env })).toMatchObject({ exitCode: 0 });

    expect(await bridge.git(['rev-parse', MAIN])).toBe(bridge.ids.last);
  });
});

test('of refs that a power cut has emptied all are named, and --fix removes those beside main', async () => {
  const bridge = await restorable();
  const [claim, owners] = [`refs/bridge/claims/${'1'.repeat(40)}`, 'refs/heads/backup'];
  for (const ref of [claim, owners]) {
    await mkdir(dirname(join(bridge.gitDir, ref)), { recursive: true });
    await writeFile(join(bridge.gitDir, ref), '');
  }
  const refs = async (fix: boolean) => of(await doctor(bridge, fix), 'refs');
  const ofOwner = {
    status: 'warning',
    text: `the file of ${owners} says nothing, so that the upkeep fails`,
    remedy: `rm ${join(bridge.gitDir, owners)}`,
  };

  expect(await refs(false)).toMatchObject([
    {
      status: 'broken',
      text: `the file of ${claim} says nothing, so that pushes or the upkeep fail`,
      remedy: expect.stringMatching(/^llm-bridge doctor --fix /),
    },
    ofOwner,
  ]);
  const removed = `removed ${claim}, whose file said nothing`;
  expect(await refs(true)).toMatchObject([{ status: 'ok', text: removed }, ofOwner]);
  expect(await refs(false)).toMatchObject([ofOwner]);
  expect(await readFile(join(bridge.gitDir, 'bridge', 'repairs.log'), 'utf8')).toContain(removed);
});

describe('HEAD', () => {
  test.each<[string, (file: string) => Promise<unknown>]>([
    ['empty', (file) => writeFile(file, '')],
    ['full of zeros', (file) => writeFile(file, Buffer.alloc(21))],
    ['gone', (file) => rm(file)],
  ])('that is %s is named, and restored as init wrote it', async (_name, lose) => {
    const bridge = await restorable();
    const file = join(bridge.gitDir, 'HEAD');
    const before = await readFile(file, 'utf8');
    await lose(file);

    const named = await doctor(bridge, false);
    const fixed = await doctor(bridge, true);

    expect(of(named, 'repository')).toMatchObject([
      {
        status: 'broken',
        text: expect.stringMatching(/^HEAD of \S+ says nothing/),
        remedy: expect.stringMatching(/^llm-bridge doctor --fix /),
      },
    ]);
    expect(of(named, 'history')).toMatchObject([{ status: 'skipped' }]);
    expect(of(fixed, 'repository')).toMatchObject([
      { status: 'ok' },
      { status: 'ok', text: 'restored HEAD, which said nothing' },
    ]);
    expect(of(fixed, 'history')).toMatchObject([{ status: 'ok' }]);
    expect(await readFile(file, 'utf8')).toBe(before);
  });
});
