import { access, chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/admin/doctor/finding.js';
import { expectedHooks } from '../../../src/admin/install-hooks.js';
import { renewNode } from '../../../src/bridge/recorded-node.js';
import { privateGroup } from '../../../src/process/private-group.js';
import { runCli } from '../../support/cli.js';
import { anAnswer } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P22

const FIND_NODE = fileURLToPath(new URL('../../../hooks/find-node', import.meta.url));

/** Commands that find-node needs, and no node. */
const TOOLS = ['sh', 'id', 'find', 'readlink', 'printf'];

/** Where they are. */
let tools: string[];
beforeAll(async () => {
  const script = `for one in ${TOOLS.join(' ')}; do command -v "$one"; done`;
  const { stdout } = await runProcess('sh', ['-c', script], { env: process.env });
  tools = stdout.split('\n').filter((file) => file.startsWith('/'));
});

let home: string;
/** A PATH without a node. */
let path: string;
beforeEach(async () => {
  home = await tempDir();
  path = join(home, 'tools');
  await mkdir(path);
  for (const file of tools) await symlink(file, join(path, basename(file)));
});

/** A program that says it is node of a version, and runs as the node of this test. */
async function fakeNode(file: string, version: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  const script = `#!/bin/sh\n[ "$1" != --version ] || { echo v${version}; exit; }\nexec '${process.execPath}' "$@"\n`;
  await writeFile(file, script, { mode: 0o755 });
  return file;
}

const find = async (gone: string) =>
  (await runProcess(FIND_NODE, [gone], { env: { HOME: home, PATH: path } })).stdout.trim();

describe('where the node of the hooks is gone', () => {
  test.each([
    ['another version beside it', '.custom/v22.1.0/bin/node', '.custom/v20.1.0/bin/node'],
    ['one of nvm', '.nvm/versions/node/v20.19.0/bin/node', 'gone/bin/node'],
    ['one of fnm', '.local/share/fnm/node-versions/v24.0.0/installation/bin/node', 'gone/bin/node'],
    [
      'another version of fnm in a place of its own',
      'fnm/node-versions/v22.2.0/installation/bin/node',
      'fnm/node-versions/v20.19.1/installation/bin/node',
    ],
    ['one of fnm in its older place', '.fnm/node-versions/v24.0.0/installation/bin/node', 'gone/bin/node'],
    ['one of volta', '.volta/tools/image/node/22.0.0/bin/node', 'gone/bin/node'],
    ['one of asdf', '.asdf/installs/nodejs/21.0.0/bin/node', 'gone/bin/node'],
    ['one of mise', '.local/share/mise/installs/node/22.0.0/bin/node', 'gone/bin/node'],
    ['the one in PATH', 'tools/node', 'gone/bin/node'],
  ])('%s is found', async (_what, there, gone) => {
    const node = await fakeNode(join(home, there), there.match(/v?(\d+\.\d+\.\d+)/)?.[1] ?? '22.0.0');
    expect(await find(join(home, gone))).toBe(node);
  });

  test('one that is too old, that is no node, or that others could exchange is not taken', async () => {
    const versions = join(home, '.nvm/versions/node');
    await fakeNode(join(versions, 'v18.20.0/bin/node'), '18.20.0');
    await fakeNode(join(versions, 'v20.18.9/bin/node'), '20.18.9');
    await fakeNode(join(versions, 'v22.0.0/bin/node'), 'anything');
    await fakeNode(join(versions, 'v23.0.0/bin/node'), '23.0.0');
    await chmod(join(versions, 'v23.0.0/bin'), 0o777);
    await fakeNode(join(versions, 'v23.1.0/bin/node'), '23.1.0');
    await chmod(join(versions, 'v23.1.0'), 0o777);
    await fakeNode(join(versions, 'v23.2.0/bin/node'), '23.2.0');
    await chmod(join(versions, 'v23.2.0/bin/node'), 0o757);
    // A name of ours for what others may change.
    await fakeNode(join(home, 'open/node'), '24.0.0');
    await chmod(join(home, 'open'), 0o1777);
    await mkdir(join(versions, 'v24.0.0/bin'), { recursive: true });
    await symlink(join(home, 'open/node'), join(versions, 'v24.0.0/bin/node'));
    // The machine of the test may have a node of its own.
    expect(await find(join(versions, 'v20.1.0/bin/node'))).not.toContain(home);
    const good = await fakeNode(join(versions, 'v22.5.0/bin/node'), '22.5.0');
    expect(await find(join(versions, 'v20.1.0/bin/node'))).toBe(good);
  });

  test.skipIf(process.getuid?.() !== 0)('one of another user is not taken', async () => {
    const node = await fakeNode(join(home, '.volta/tools/image/node/22.0.0/bin/node'), '22.0.0');
    await runProcess('chown', ['65534', node], { env: process.env });
    expect(await find('/gone/bin/node')).not.toBe(node);
  });
});

/** The node in a stub. */
async function nodeIn(bridge: PlainBridge, stub: string): Promise<string | undefined> {
  return /^ *node=(?!\$)'?([^'\n]*)/m.exec(await readFile(join(bridge.repoPath, stub), 'utf8'))?.[1];
}

/** What the doctor says of the hooks. */
async function hooksOf(bridge: PlainBridge): Promise<Finding[]> {
  const { stdout } = await runCli(['doctor', '--json', '--repo', bridge.repoPath], { env: bridge.env });
  return (JSON.parse(stdout) as Finding[]).filter(({ check }) => check === 'hooks');
}

/** Has the hooks start a node that is not there, as after an update; `others`: which one is beside it. */
async function loseNode(bridge: PlainBridge): Promise<string> {
  const gone = join(bridge.dir, 'versions/v20.19.0/bin/node');
  for (const stub of ['hooks/pre-receive', 'hooks/post-receive', 'bridge/ssh-command', 'bridge/repair']) {
    const file = join(bridge.repoPath, stub);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/^( *node=)(?!\$).*$/m, `$1${gone}`));
  }
  return gone;
}

describe('a bridge whose node is gone', () => {
  test('takes pushes by another, and writes that one down with the first answer', async () => {
    const bridge = await startPlainBridge();
    await loseNode(bridge);
    await symlinkNode(join(bridge.dir, 'versions/v22.0.0/bin/node'));

    const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
    await bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, 'q')));

    expect((await bridge.readLog()).trim().split('\n')).toHaveLength(1);
    for (const stub of ['hooks/pre-receive', 'hooks/post-receive', 'bridge/ssh-command', 'bridge/repair'])
      await access((await nodeIn(bridge, stub)) ?? 'none');
    expect(await hooksOf(bridge)).toMatchObject([{ status: 'ok', text: 'installed and current' }]);
  });

  test('is put right by another', async () => {
    const bridge = await startPlainBridge();
    await loseNode(bridge);
    await symlinkNode(join(bridge.dir, 'versions/v22.0.0/bin/node'));
    const ref = join(bridge.repoPath, 'refs/bridge/claims', 'a'.repeat(40));
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, '');
    await runProcess(join(bridge.repoPath, 'bridge/repair'), [bridge.repoPath], { env: bridge.env });
    await expect(access(ref)).rejects.toThrow('ENOENT');
  });

  test('takes no push where there is none', async () => {
    const bridge = await startPlainBridge();
    await loseNode(bridge);
    await writeFile(join(bridge.repoPath, 'bridge/find-node'), '#!/bin/sh\nexit 1\n');

    const { exitCode, stderr } = await bridge.push([
      `${await bridge.writer.ask(await bridge.tip(), 'q')}:refs/heads/main`,
    ]);

    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('llm-bridge refused [internal]: node or the hook program has moved');
  });

  test('gets the node that runs ingest, or doctor', async () => {
    const bridge = await startPlainBridge();
    const gone = await loseNode(bridge);
    const done = await runCli(['ingest', '--repo', bridge.repoPath], { env: bridge.env });
    expect(done.stderr).toBe(`the hooks start ${process.execPath} from now on, because ${gone} is gone\n`);
    expect(await nodeIn(bridge, 'hooks/pre-receive')).toBe(process.execPath);

    await loseNode(bridge);
    expect(await hooksOf(bridge)).toMatchObject([
      { status: 'ok', text: `the hooks start ${process.execPath} from now on, because ${gone} is gone` },
    ]);
    expect(await nodeIn(bridge, 'bridge/ssh-command')).toBe(process.execPath);
  });

  // Debian and Ubuntu give each user a group of their own and a umask of 002, and fnm and asdf make their
  // folders by it.
  test.skipIf(privateGroup() === null)('gets one in folders of the owner’s own group', async () => {
    const bridge = await startPlainBridge();
    const gone = await loseNode(bridge);
    const version = join(bridge.dir, 'fnm/node-versions/v24.11.1');
    const node = await fakeNode(join(version, 'installation/bin/node'), '24.11.1');
    for (const folder of [version, dirname(version)]) await chmod(folder, 0o775);
    expect(await find(join(bridge.dir, 'fnm/node-versions/v22.20.0/installation/bin/node'))).toBe(node);
    expect(await renewNode(bridge.repoPath, node)).toMatchObject({ gone, changed: { length: 4 } });
    expect(await nodeIn(bridge, 'hooks/pre-receive')).toBe(node);
  });

  test('gets none that others could exchange', async () => {
    const bridge = await startPlainBridge();
    const gone = await loseNode(bridge);
    const open = await fakeNode(join(bridge.dir, 'open/node'), '22.0.0');
    await chmod(dirname(open), 0o777);
    expect(await renewNode(bridge.repoPath, open)).toEqual({ gone, node: open, changed: [] });
    expect(await nodeIn(bridge, 'hooks/pre-receive')).toBe(gone);
  });
});

describe('a bridge whose node took llm-bridge along, as version managers have it', () => {
  const STUBS = ['hooks/pre-receive', 'hooks/post-receive', 'bridge/ssh-command', 'bridge/repair'];

  /** The programs in the stubs, by what is in front of their names. */
  async function programsOf(bridge: PlainBridge): Promise<(string | undefined)[]> {
    const texts = await Promise.all(STUBS.map((stub) => readFile(join(bridge.repoPath, stub), 'utf8')));
    return texts.map((text) => /^ *hook='?(.*)\/[a-z-]+\.cjs'?$/m.exec(text)?.[1]);
  }

  async function losePackage(bridge: PlainBridge): Promise<string> {
    await loseNode(bridge);
    const gone = join(bridge.dir, 'versions/v20.19.0/lib/node_modules/git-llm-bridge/dist/hooks');
    for (const stub of STUBS) {
      const file = join(bridge.repoPath, stub);
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace(/^( *hook=).*\/([a-z-]+\.cjs)'?$/m, `$1${gone}/$2`));
    }
    return gone;
  }

  test('lets no push in, and gets those of the llm-bridge that runs doctor, or ingest', async () => {
    const bridge = await startPlainBridge();
    const mine = (await programsOf(bridge))[0] ?? 'none';
    const gone = await losePackage(bridge);
    const refused = await bridge.push([
      `${await bridge.writer.ask(await bridge.tip(), 'q')}:refs/heads/main`,
    ]);
    expect(refused.stderr).toContain('node or the hook program has moved');

    const moved = `the hooks run the programs in ${mine} from now on, because ${gone} is gone`;
    expect(await hooksOf(bridge)).toMatchObject([{ status: 'ok' }, { status: 'ok', text: moved }]);
    expect(await programsOf(bridge)).toEqual([mine, mine, mine, mine]);
    const asked = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
    await bridge.pushOk(await bridge.writer.answer(asked, anAnswer(asked, 'q')));
    expect((await bridge.readLog()).trim().split('\n')).toHaveLength(1);

    await losePackage(bridge);
    const { stderr } = await runCli(['ingest', '--repo', bridge.repoPath], { env: bridge.env });
    expect(stderr.trim().split('\n').at(-1)).toBe(moved);
    expect(await hooksOf(bridge)).toMatchObject([{ status: 'ok', text: 'installed and current' }]);
  });

  test('keeps a stub that is not of this version: its program may be another one', async () => {
    const bridge = await startPlainBridge();
    const gone = await losePackage(bridge);
    const file = join(bridge.repoPath, 'hooks/pre-receive');
    await writeFile(file, `${await readFile(file, 'utf8')}# of another version\n`);
    const findings = await hooksOf(bridge);
    expect(findings.filter(({ status }) => status === 'broken').map(({ text }) => text)).toEqual([
      expect.stringContaining('hooks/pre-receive is not what this llm-bridge installs'),
      `hooks/pre-receive starts ${gone}/pre-receive.cjs, which is gone`,
    ]);
    expect((await programsOf(bridge))[0]).toBe(gone);
  });
});

/** A node beside the one that is gone. */
async function symlinkNode(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await rm(file, { force: true });
  await symlink(process.execPath, file);
}

test('the place of node, and that of a program, stands once in each stub, because it is written anew there', async () => {
  const placesIn = (text: string, word: string) => text.match(new RegExp(`^ *${word}='?/`, 'gm')) ?? [];
  const stubs = await expectedHooks({ node: process.execPath, path: '/usr/bin:/bin' });
  for (const { target, text } of stubs)
    for (const word of ['node', 'hook'])
      expect(placesIn(text, word).length, `${word} in ${target}`).toBeLessThan(2);
  expect(stubs.filter(({ text }) => placesIn(text, 'hook').length === 1)).toHaveLength(4);
});
