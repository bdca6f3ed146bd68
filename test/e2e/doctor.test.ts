import { cpSync, rmSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Finding } from '../../src/admin/doctor/finding.js';
import { addKey } from '../../src/admin/keys.js';
import { makeKeyPair } from '../../src/admin/make-key-pair.js';
import { freePort } from '../../src/demo/free-port.js';
import { sshCommandFor } from '../../src/demo/ssh-client.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { answerMessage } from '../../src/protocol/commit-message.js';
import { taskHash } from '../../src/protocol/task.js';
import { startAgentHere } from '../support/agent-here.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { gitOk } from '../support/git.js';
import { anAnswer } from '../support/message-writer.js';
import { onCleanup } from '../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../support/plain-bridge.js';
import { type RunResult, runProcess } from '../support/run-process.js';

/** What the doctor has to find: the check, how bad it is, and words of both lines. */
interface Expected {
  readonly check: string;
  readonly status: 'warning' | 'broken';
  readonly text: RegExp;
  readonly remedy: RegExp;
}

/** Has the doctor of `src` look, here: most of the tests are about what it finds. */
const doctor = (args: readonly string[], env: Record<string, string>) =>
  findingsOf(runCliHere(['doctor', '--json', ...args], { env }));

/** The same by the built program. */
const builtDoctor = (args: readonly string[], env: Record<string, string>) =>
  findingsOf(runCli(['doctor', '--json', ...args], { env }));

/** Asks as a program of protocol 1 does that has the bridge on its own disk: no hook sees it. */
async function askAsProtocol1({ repoPath, env }: PlainBridge, question: string): Promise<void> {
  const hash = taskHash(Buffer.from(question));
  const message = `ask ${hash.slice(0, 8)}: ${question}\n\nTask-Hash: ${hash}`;
  await commitOnMain({ repoPath, ownerEnv: env }, { path: 'task.txt', content: question, message });
}

async function findingsOf(run: Promise<RunResult>) {
  const result = await run;
  if (result.stdout === '') throw new Error(result.stderr);
  return { exitCode: result.exitCode, findings: JSON.parse(result.stdout) as Finding[] };
}

/**
 * It is found, it is the first thing that is found, and nothing that rests on it is called broken as well.
 */
function expectFound(found: { exitCode: number; findings: Finding[] }, expected: Expected): void {
  const bad = found.findings.filter(({ status }) => status === expected.status);
  const matching = bad.find(({ text }) => expected.text.test(text));
  expect(matching, JSON.stringify(found.findings, null, 1)).toBeDefined();
  expect(matching).toMatchObject({ check: expected.check });
  expect(matching?.remedy).toMatch(expected.remedy);
  const broken = found.findings.filter(({ status }) => status === 'broken').map(({ check }) => check);
  expect(new Set(broken)).toEqual(new Set(expected.status === 'broken' ? [expected.check] : []));
  expect(found.exitCode).toBe(expected.status === 'broken' ? 1 : 0);
}

describe('on the server, the doctor', () => {
  const MAIN = 'refs/heads/main';
  const INIT = /^llm-bridge init \//;

  let pristine: PlainBridge & { keys: string; key: string };
  beforeAll(async () => {
    const bridge = await startPlainBridge();
    const keys = join(bridge.dir, 'authorized_keys');
    const { publicKeyFile: key } = await makeKeyPair(join(bridge.dir, 'agent'), 'home-pc');
    const { repoPath, env } = bridge;
    await addKey({ repoPath, authorizedKeysFile: keys, env }, { name: 'home-pc', role: 'agent', key });
    const task = await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'one'));
    await bridge.pushOk(await bridge.writer.answer(task, anAnswer(task, 'one')));
    cpSync(bridge.repoPath, join(bridge.dir, 'pristine.git'), { recursive: true });
    await copyFile(keys, join(bridge.dir, 'pristine-keys'));
    pristine = { ...bridge, keys, key };
  });

  /**
   * The bridge with one question, its answer in the log, and the key of an agent, as if nobody had broken it
   * yet. Copied in one go: to wait for each of many small files costs more than the copies do.
   */
  async function aBridge(): Promise<typeof pristine> {
    const { dir, repoPath, keys } = pristine;
    rmSync(repoPath, { recursive: true });
    cpSync(join(dir, 'pristine.git'), repoPath, { recursive: true });
    await rm(keys);
    await copyFile(join(dir, 'pristine-keys'), keys);
    return pristine;
  }

  const look = (bridge: PlainBridge & { keys: string }, by = doctor) =>
    by(['--repo', bridge.repoPath, '--authorized-keys', bridge.keys], bridge.env);

  test('finds nothing to say of a bridge that is well', async () => {
    const { exitCode, findings } = await look(await aBridge(), builtDoctor);

    const others = findings.filter(({ check, status }) => status !== 'ok' && check !== 'disk');
    expect(others).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual([
      ...[
        'git',
        'repository',
        'modes',
        'hooks',
        'settings',
        'keys',
        'locks',
        'refs',
        'history',
        'log',
        'agents',
        'protocol',
        'on-answer',
        'gateway',
        'disk',
      ],
    ]);
    expect(exitCode).toBe(0);
  });

  type Bridge = typeof pristine;
  const edit = async (file: string, change: (text: string) => string) => {
    const before = await readFile(file, 'utf8');
    const after = change(before);
    if (after === before) throw new Error(`nothing to change in ${file}`);
    await writeFile(file, after);
  };
  const config = (bridge: Bridge, ...args: string[]) =>
    gitOk(['config', ...args], { gitDir: bridge.repoPath, env: bridge.env });

  const SETUPS: readonly (Expected & { name: string; breakIt(bridge: Bridge): Promise<unknown> })[] = [
    {
      name: 'a hook that is missing',
      breakIt: (b) => unlink(join(b.repoPath, 'hooks', 'pre-receive')),
      ...{ check: 'hooks', status: 'broken', text: /^hooks\/pre-receive is missing$/, remedy: INIT },
    },
    {
      name: 'a hook that was changed',
      breakIt: (b) =>
        edit(join(b.repoPath, 'hooks', 'pre-receive'), (text) => text.replace('exit 1\n}', 'exit 0\n}')),
      ...{ check: 'hooks', status: 'broken', text: /^hooks\/pre-receive is not what this/, remedy: INIT },
    },
    {
      name: 'a forced command that lost its mode',
      breakIt: (b) => chmod(join(b.repoPath, 'bridge', 'ssh-command'), 0o644),
      ...{ check: 'hooks', status: 'broken', text: /^bridge\/ssh-command is not executable$/, remedy: INIT },
    },
    {
      name: 'a hook program that has moved',
      breakIt: (b) =>
        edit(join(b.repoPath, 'hooks', 'post-receive'), (text) =>
          text.replace(/^hook=.*$/m, 'hook=/old/post-receive.mjs'),
        ),
      ...{
        check: 'hooks',
        status: 'broken',
        text: /starts \/old\/post-receive\.mjs, which is gone/,
        remedy: INIT,
      },
    },
    {
      name: 'a setting that is wrong',
      breakIt: (b) => config(b, 'receive.denyDeletes', 'false'),
      ...{
        check: 'settings',
        status: 'broken',
        text: /^receive\.denyDeletes is false, and must be true$/,
        remedy: INIT,
      },
    },
    {
      name: 'a server that does not sync what it is given',
      breakIt: (b) => config(b, '--unset-all', 'core.fsync'),
      ...{
        check: 'settings',
        status: 'broken',
        text: /^core\.fsync is not set, and must be all$/,
        remedy: INIT,
      },
    },
    {
      name: 'a time-to-live that is none',
      breakIt: (b) => config(b, 'bridge.taskTtl', 'a week'),
      ...{
        check: 'settings',
        status: 'warning',
        text: /^bridge\.taskTtl is "a week"/,
        remedy: /config bridge\.taskTtl 7d$/,
      },
    },
    {
      name: 'limits that were raised without another init',
      breakIt: (b) => config(b, 'bridge.maxTaskBytes', '16777216'),
      ...{
        check: 'settings',
        status: 'warning',
        text: /^core\.bigFileThreshold is 16777216, and must be 33554432, since/,
        remedy: INIT,
      },
    },
    {
      name: 'roles that a group can write',
      breakIt: (b) => chmod(join(b.repoPath, 'bridge', 'principals'), 0o775),
      ...{
        check: 'modes',
        status: 'broken',
        text: /principals can be written by others/,
        remedy: /^chmod -R go-w \//,
      },
    },
    {
      name: 'a bridge that every user can read',
      breakIt: (b) => chmod(b.repoPath, 0o755),
      ...{
        check: 'modes',
        status: 'warning',
        text: /can be entered by every user/,
        remedy: /^chmod o-rwx \//,
      },
    },
    {
      name: 'a key that the bridge has no role for',
      breakIt: (b) => unlink(join(b.repoPath, 'bridge', 'principals', 'home-pc')),
      ...{
        check: 'keys',
        status: 'broken',
        text: /^the key home-pc is let in .* no role/,
        remedy: /^llm-bridge key remove home-pc/,
      },
    },
    {
      name: 'a role that is none',
      breakIt: (b) =>
        edit(join(b.repoPath, 'bridge', 'principals', 'home-pc'), (text) => text.replace('agent', 'admin')),
      ...{
        check: 'keys',
        status: 'broken',
        text: /^the role of home-pc is "admin"/,
        remedy: /key add home-pc/,
      },
    },
    {
      name: 'a key that took over the name of another',
      async breakIt(b) {
        const other = await makeKeyPair(join(b.dir, 'other'), 'other');
        const [type, blob] = (await readFile(other.publicKeyFile, 'utf8')).split(' ');
        await edit(b.keys, (text) => text.replace(/ssh-ed25519 \S+/, `${type} ${blob}`));
      },
      ...{
        check: 'keys',
        status: 'broken',
        text: /^the key of home-pc is SHA256:\S+, and its role was given to SHA256:/,
        remedy: /key add home-pc/,
      },
    },
    {
      name: 'a key line without the forced command',
      breakIt: (b) => edit(b.keys, (text) => text.replace(/^restrict,command="[^"]*" /, '')),
      ...{
        check: 'keys',
        status: 'broken',
        text: /^the line of home-pc lacks the forced command/,
        remedy: /key remove home-pc/,
      },
    },
    {
      name: 'a key line that lets forward ports',
      breakIt: (b) => edit(b.keys, (text) => text.replace(/^restrict,/, '')),
      ...{
        check: 'keys',
        status: 'broken',
        text: /^the line of home-pc lacks "restrict"/,
        remedy: /key remove home-pc/,
      },
    },
    {
      name: 'a key that stands in an earlier line',
      breakIt: async (b) => {
        const key = await readFile(b.key, 'utf8');
        await edit(b.keys, (text) => `${key.trim()}\n${text}`);
      },
      ...{
        check: 'keys',
        status: 'broken',
        text: /^the key of home-pc stands in another line before/,
        remedy: /^nano /,
      },
    },
    {
      name: 'a name that no line lets in',
      breakIt: (b) => writeFile(b.keys, ''),
      ...{
        check: 'keys',
        status: 'warning',
        text: /^home-pc has a role, but no line in/,
        remedy: /key add home-pc/,
      },
    },
    {
      name: 'an authorized_keys that sshd ignores',
      breakIt: (b) => chmod(b.keys, 0o664),
      ...{ check: 'keys', status: 'broken', text: /so sshd ignores the keys$/, remedy: /^chmod go-w \// },
    },
    {
      name: 'a lock of a killed git',
      breakIt: (b) => writeFile(join(b.repoPath, `${MAIN}.lock`), ''),
      ...{
        check: 'locks',
        status: 'broken',
        text: /^refs\/heads\/main\.lock, left by a killed git/,
        remedy: /^llm-bridge doctor --fix /,
      },
    },
    {
      name: 'a claim that a power cut has emptied',
      async breakIt(b) {
        await mkdir(join(b.repoPath, 'refs/bridge/claims'), { recursive: true });
        await writeFile(join(b.repoPath, 'refs/bridge/claims', '1'.repeat(40)), '');
      },
      ...{
        check: 'refs',
        status: 'broken',
        text: /^the file of refs\/bridge\/claims\/1+ says nothing, so that pushes/,
        remedy: /^llm-bridge doctor --fix /,
      },
    },
    {
      name: 'a presence whose object is lost',
      async breakIt(b) {
        const at = { gitDir: b.repoPath, env: b.env };
        const id = (await gitOk(['hash-object', '-w', '--stdin'], { ...at, input: '{}' })).trim();
        await gitOk(['update-ref', 'refs/bridge/agents/home-pc', id], at);
        await unlink(join(b.repoPath, 'objects', id.slice(0, 2), id.slice(2)));
      },
      ...{
        check: 'refs',
        status: 'broken',
        text: /^refs\/bridge\/agents\/home-pc names [0-9a-f]{8}, which is lost/,
        remedy: /^llm-bridge doctor --fix /,
      },
    },
    {
      name: 'a branch of the owner that a power cut has emptied',
      breakIt: (b) => writeFile(join(b.repoPath, 'refs/heads/backup'), ''),
      ...{
        check: 'refs',
        status: 'warning',
        text: /^the file of refs\/heads\/backup says nothing, so that the upkeep fails$/,
        remedy: /^rm \/.*refs\/heads\/backup$/,
      },
    },
    {
      name: 'a log behind history',
      async breakIt(b) {
        await chmod(join(b.repoPath, 'hooks', 'post-receive'), 0o644);
        const task = await b.pushOk(await b.writer.ask(await b.tip(), 'two'));
        await b.pushOk(await b.writer.answer(task, anAnswer(task, 'two')));
        await chmod(join(b.repoPath, 'hooks', 'post-receive'), 0o755);
      },
      ...{
        check: 'log',
        status: 'warning',
        text: /^the log is behind history: an answer is not in it$/,
        remedy: /^llm-bridge ingest --repo /,
      },
    },
    {
      name: 'a log with a bad line in the middle',
      breakIt: (b) => edit(join(b.repoPath, 'bridge', 'answers.log'), (text) => `not a record\n${text}`),
      ...{
        check: 'log',
        status: 'broken',
        text: /^line 1 of \S+answers\.log is not a record$/,
        remedy: /^llm-bridge ingest --rebuild /,
      },
    },
    {
      name: 'a log with a number twice',
      breakIt: (b) => edit(join(b.repoPath, 'bridge', 'answers.log'), (text) => text + text),
      ...{
        check: 'log',
        status: 'broken',
        text: /^line 2 of \S+ has no\. 1, and 2 should be there$/,
        remedy: /^llm-bridge ingest --rebuild /,
      },
    },
    {
      name: 'a log of another bridge',
      breakIt: (b) =>
        edit(join(b.repoPath, 'bridge', 'answers.log'), (text) =>
          text.replace(/"commit":"[0-9a-f]+"/, `"commit":"${'0'.repeat(40)}"`),
        ),
      ...{
        check: 'log',
        status: 'broken',
        text: /^the log ends with commit 0+, which is not on main/,
        remedy: /^llm-bridge verify /,
      },
    },
    {
      name: 'a log that is missing',
      breakIt: (b) => unlink(join(b.repoPath, 'bridge', 'answers.log')),
      ...{
        check: 'log',
        status: 'warning',
        text: /answers\.log is missing: an answer is/,
        remedy: /^llm-bridge ingest --repo /,
      },
    },
    {
      name: 'a history that cannot be read',
      async breakIt(b) {
        const blob = (
          await gitOk(['rev-parse', 'main:inbox.json'], { gitDir: b.repoPath, env: b.env })
        ).trim();
        await rm(join(b.repoPath, 'objects', blob.slice(0, 2), blob.slice(2)), { force: true });
      },
      ...{
        check: 'history',
        status: 'broken',
        text: /^main is at [0-9a-f]{8}, which cannot be read, .* the clone of an agent \(home-pc\) has it$/,
        remedy: / fetch CLONE /,
      },
    },
    ...(
      [
        ['empty', () => ''],
        ['full of zeros', (text) => Buffer.alloc(text.length)],
        ['cut short', (text) => text.slice(0, text.indexOf('[bridge]'))],
      ] as readonly [string, (text: string) => string | Uint8Array][]
    ).map(([what, damage]) => ({
      name: `a config that a power cut has left ${what}`,
      async breakIt(b: Bridge) {
        const file = join(b.repoPath, 'config');
        await writeFile(file, damage(await readFile(file, 'utf8')));
      },
      check: 'repository',
      status: 'broken' as const,
      text: /^the config of \S+ is empty or damaged, and nothing is served without it$/,
      remedy: /^llm-bridge init \S+ writes it again/,
    })),
    {
      name: 'a log that ends in the middle of a line',
      breakIt: (b) => edit(join(b.repoPath, 'bridge', 'answers.log'), (text) => text.slice(0, -20)),
      ...{
        check: 'log',
        status: 'warning',
        text: /^the log is behind history: an answer is not in it$/,
        remedy: /^llm-bridge ingest --repo /,
      },
    },
    {
      name: 'a log in a folder that others can write',
      async breakIt(b) {
        const folder = join(b.dir, 'open');
        await mkdir(folder, { recursive: true });
        await chmod(folder, 0o777);
        await config(b, 'bridge.answersLog', join(folder, 'answers.log'));
      },
      ...{
        check: 'log',
        status: 'broken',
        text: /answers\.log is not used, because others could put a file in its place: /,
        remedy: /^chmod go-w /,
      },
    },
    {
      name: 'a script for answers that others can write',
      async breakIt(b) {
        const file = join(b.repoPath, 'bridge', 'on-answer.d', 'tell');
        await writeFile(file, '#!/bin/sh\n', { mode: 0o755 });
        await chmod(file, 0o777);
      },
      ...{
        check: 'modes',
        status: 'broken',
        text: /on-answer\.d\/tell can be written by others than the owner$/,
        remedy: /^chmod -R go-w /,
      },
    },
    {
      name: 'tokens of the gateway that cannot be read',
      async breakIt(b) {
        await writeFile(join(b.repoPath, 'bridge', 'tokens.json'), 'not JSON');
      },
      ...{
        check: 'gateway',
        status: 'broken',
        text: /tokens\.json is not JSON/,
        remedy: /^move it away, then make new tokens: llm-bridge token add NAME$/,
      },
    },
    {
      name: 'a program of protocol 1 that asks on the server itself',
      breakIt: (b) => askAsProtocol1(b, 'two'),
      ...{
        check: 'protocol',
        status: 'warning',
        text: /^a program of protocol 1 asks here as somebody, the last time .* ago/,
        remedy: /^update the llm-bridge that this program starts/,
      },
    },
    {
      name: 'an agent of protocol 1 on the server itself',
      breakIt: async (b) => {
        const task = await b.pushOk(await b.writer.ask(await b.tip(), 'three'));
        const answer = anAnswer(task, 'three');
        const message = answerMessage(answer).replace(
          /^answer [0-9a-f]{8}/,
          `answer ${answer.task_hash.slice(0, 8)}`,
        );
        await b.pushOk(await b.writer.answer(task, answer, { message }));
      },
      ...{
        check: 'protocol',
        status: 'warning',
        text: /^a program of protocol 1 answers here as .*, the last time .* ago/,
        remedy: /^update the llm-bridge that this program starts/,
      },
    },
    {
      name: 'a limit that is no number',
      breakIt: (b) => config(b, 'bridge.maxAnswerBytes', 'plenty'),
      ...{
        check: 'settings',
        status: 'warning',
        text: /^bridge\.maxAnswerBytes is "plenty", which is not a whole number/,
        remedy: /config bridge\.maxAnswerBytes 8388608$/,
      },
    },
    {
      name: 'a folder that is no bridge',
      breakIt: async (b) => {
        await rm(join(b.repoPath, 'config'));
        await rm(join(b.repoPath, 'bridge'), { recursive: true });
      },
      ...{
        check: 'repository',
        status: 'broken',
        text: /is not a bridge repository$/,
        remedy: /llm-bridge init/,
      },
    },
  ];

  test.each(SETUPS)('recognises $name', async ({ breakIt, ...expected }) => {
    const bridge = await aBridge();
    await breakIt(bridge);
    expectFound(await look(bridge), expected);
  });

  test('says on a terminal-less output what it found, one line each, without colours, with the remedy below', async () => {
    const bridge = await aBridge();
    await unlink(join(bridge.repoPath, 'hooks', 'pre-receive'));
    const { stdout, stderr, exitCode } = await runCliHere(
      ['doctor', '--repo', bridge.repoPath, '--authorized-keys', bridge.keys],
      { env: bridge.env },
    );

    expect(stdout).toContain(
      `broken   hooks: hooks/pre-receive is missing\n         try: llm-bridge init ${bridge.repoPath}\n`,
    );
    expect(stdout).toMatch(/^ok {7}git: git version /);
    expect(stdout).not.toContain('\u001b');
    expect(stderr).toBe('');
    expect(exitCode).toBe(1);
  });
});

describe('on the other side, the doctor', () => {
  let bridge: BridgeFixture;
  let standIn: StandIn;
  beforeAll(async () => {
    bridge = await startBridgeFixture();
    standIn = await startStandIn();
    onCleanup(() => standIn.close());
  });

  interface Place {
    readonly repo: string;
    readonly env: Record<string, string>;
    readonly args: string[];
  }

  const agentPlace = (): Place => ({
    repo: bridge.sshUrl,
    env: bridge.principal('home-pc').env,
    args: [
      ...['--ollama-url', standIn.ollamaUrl, '--lmstudio-url', standIn.lmstudioUrl],
      ...['--state-dir', join(bridge.dir, 'state')],
    ],
  });
  const look = ({ repo, env, args }: Place, by = doctor) => by(['--repo', repo, ...args], env);
  const withSsh = (place: Place, command: string): Place => ({
    ...place,
    env: { ...place.env, GIT_SSH_COMMAND: command },
  });
  const sshWith = (endpoint: { port?: number; knownHostsFile?: string; identityFile?: string }) =>
    sshCommandFor(
      { ...bridge.sshd, ...endpoint },
      endpoint.identityFile ?? bridge.principal('home-pc').identityFile,
    );
  const hostKeyOf = async (comment: string) =>
    (await readFile((await makeKeyPair(join(bridge.dir, comment), comment)).publicKeyFile, 'utf8')).trim();
  /** Changes the forced command until the test is over. */
  const editForcedCommand = async (change: (text: string) => string) => {
    const file = join(bridge.repoPath, 'bridge', 'ssh-command');
    const before = await readFile(file, 'utf8');
    if (change(before) === before) throw new Error('nothing to change in ssh-command');
    onTestFinished(() => writeFile(file, before));
    await writeFile(file, change(before));
  };

  test('finds nothing to say of an agent that is well, and lets the model say a word', async () => {
    const { exitCode, findings } = await look(agentPlace(), builtDoctor);

    const others = findings.filter(
      ({ check, status }) => status !== 'ok' && !['port', 'login-time', 'state-disk'].includes(check),
    );
    expect(others).toEqual([]);
    expect([...new Set(findings.map(({ check }) => check))]).toEqual([
      ...[
        'git',
        'ssh',
        'name',
        'port',
        'host-key',
        'key',
        'login-time',
        'forced-command',
        'protocol',
        'role',
        'disk',
        'clock',
        'repository',
        'agents',
      ],
      ...['state-folder', 'backend', 'models', 'generation', 'state-disk'],
    ]);
    expect(findings.find(({ check }) => check === 'generation')?.text).toMatch(
      /^llama3\.2:latest by ollama answered/,
    );
    expect(exitCode).toBe(0);
  });

  test('asks nothing of a model server with the key of an asker, nor of a model with --no-generate', async () => {
    const asker = await look({ ...agentPlace(), env: bridge.principal('bot').env });
    const quiet = await look({ ...agentPlace(), args: [...agentPlace().args, '--no-generate'] });

    expect(asker.findings.map(({ check }) => check)).not.toContain('backend');
    expect(quiet.findings.find(({ check }) => check === 'generation')).toMatchObject({
      status: 'skipped',
      text: 'skipped, because of --no-generate',
    });
    expect([asker.exitCode, quiet.exitCode]).toEqual([0, 0]);
  });

  const SETUPS: readonly (Expected & { name: string; place(): Promise<Place> | Place })[] = [
    {
      name: 'a name that stands for nothing',
      place: () => ({ ...agentPlace(), repo: 'ssh://bridge@no-such-host.invalid/srv/bridge.git' }),
      ...{
        check: 'name',
        status: 'broken',
        text: /^the name no-such-host\.invalid cannot be resolved/,
        remedy: /^check the host in the address of the bridge, /,
      },
    },
    {
      name: 'a port where nothing listens',
      async place() {
        const port = await freePort();
        return withSsh(
          { ...agentPlace(), repo: `ssh://${bridge.sshd.user}@127.0.0.1:${port}/x.git` },
          sshWith({ port }),
        );
      },
      ...{
        check: 'port',
        status: 'broken',
        text: /refuses connections: nothing listens there$/,
        remedy: /systemctl status ssh/,
      },
    },
    {
      name: 'a port where something else listens',
      place: () => withSsh(agentPlace(), sshWith({ port: Number(new URL(standIn.ollamaUrl).port) })),
      ...{
        check: 'port',
        status: 'broken',
        text: /is open, but what listens there is no SSH server: it says ""$/,
        remedy: /port/,
      },
    },
    {
      name: 'a host key that was never seen',
      place: () => withSsh(agentPlace(), sshWith({ knownHostsFile: '/dev/null' })),
      ...{
        check: 'host-key',
        status: 'broken',
        text: /is not known here$/,
        remedy: /^ssh -p [0-9]+ .*ssh-keygen -lf/,
      },
    },
    {
      name: 'a host key that has changed',
      async place() {
        const knownHostsFile = join(bridge.dir, 'changed-hosts');
        await writeFile(knownHostsFile, `[127.0.0.1]:${bridge.sshd.port} ${await hostKeyOf('other-host')}\n`);
        return withSsh(agentPlace(), sshWith({ knownHostsFile }));
      },
      ...{
        check: 'host-key',
        status: 'broken',
        text: /has changed: the server was set up again, or/,
        remedy: /ssh-keygen -R '\[127\.0\.0\.1\]:[0-9]+' -f \S+changed-hosts$/,
      },
    },
    {
      name: 'a key that the server does not know',
      async place() {
        const { identityFile } = await makeKeyPair(join(bridge.dir, 'stranger'), 'stranger');
        return withSsh(agentPlace(), sshWith({ identityFile }));
      },
      ...{
        check: 'key',
        status: 'broken',
        text: /^log in: the server did not accept the SSH key/,
        remedy: /llm-bridge key add/,
      },
    },
    {
      name: 'an identity file that others can read',
      async place() {
        const file = join(bridge.dir, 'open-key');
        await writeFile(file, await readFile(bridge.principal('home-pc').identityFile));
        await chmod(file, 0o644);
        return { ...agentPlace(), args: [...agentPlace().args, '--identity', file] };
      },
      ...{
        check: 'identity',
        status: 'broken',
        text: /can be read by others, so ssh does not use it$/,
        remedy: /^chmod 600 /,
      },
    },
    {
      name: 'a key that was removed from the bridge',
      async place() {
        const { env } = await bridge.addPrincipal('removed', 'agent');
        await unlink(join(bridge.repoPath, 'bridge', 'principals', 'removed'));
        return { ...agentPlace(), env };
      },
      ...{
        check: 'forced-command',
        status: 'broken',
        text: /the key removed is not known here, or was removed/,
        remedy: /key add/,
      },
    },
    {
      name: 'a login that is no key of a bridge',
      async place() {
        const keys = await makeKeyPair(join(bridge.dir, 'owner'), 'owner');
        const text = await readFile(bridge.authorizedKeysFile, 'utf8');
        await writeFile(bridge.authorizedKeysFile, text + (await readFile(keys.publicKeyFile, 'utf8')));
        return withSsh(agentPlace(), sshWith({ identityFile: keys.identityFile }));
      },
      ...{
        check: 'forced-command',
        status: 'warning',
        text: /^this key opens a login of its own/,
        remedy: /key add/,
      },
    },
    {
      name: 'a server whose disk is full',
      async place() {
        await editForcedCommand((text) => text.replace('"$free" -ge 16384', '"$free" -ge 999999999999999'));
        return { ...agentPlace(), args: [...agentPlace().args, '--no-generate'] };
      },
      ...{
        check: 'disk',
        status: 'broken',
        text: /^the server cannot write: its disk is full/,
        remedy: /^on the server: llm-bridge doctor$/,
      },
    },
    {
      name: 'a shell whose start-up file prints',
      async place() {
        await editForcedCommand((text) => text.replace('set -u\n', 'echo Welcome\nset -u\n'));
        return { ...agentPlace(), args: [...agentPlace().args, '--no-generate'] };
      },
      ...{
        check: 'forced-command',
        status: 'broken',
        text: /^a start-up file of the server's shell prints "Welcome", which git takes/,
        remedy: /~\/\.bashrc/,
      },
    },
    {
      name: 'the key of an asker on a machine that is to answer',
      place: () => ({
        ...agentPlace(),
        env: bridge.principal('bot').env,
        args: [...agentPlace().args, '--role', 'agent'],
      }),
      ...{
        check: 'role',
        status: 'broken',
        text: /^the key bot has the role asker: it may ask, and cannot answer$/,
        remedy: /--role agent/,
      },
    },
    {
      name: 'a server of another protocol',
      async place() {
        await editForcedCommand((text) => text.replace('"protocol":2', '"protocol":3'));
        return agentPlace();
      },
      ...{
        check: 'protocol',
        status: 'broken',
        text: /^the server speaks protocol 3, this llm-bridge 2: this machine has to be updated; /,
        remedy: /^cd .* && git pull && npm ci && npm run build$/,
      },
    },
    {
      name: 'a clock that is an hour off',
      async place() {
        await editForcedCommand((text) => text.replace('date -u +%Y', "date -u -d '1 hour ago' +%Y"));
        return agentPlace();
      },
      ...{
        check: 'clock',
        status: 'broken',
        text: /^the clock of the server is 60 min behind this machine's$/,
        remedy: /timedatectl/,
      },
    },
    {
      name: 'a path that is not that of the bridge',
      place: () => ({ ...agentPlace(), repo: `${bridge.sshUrl}-other` }),
      ...{
        check: 'repository',
        status: 'broken',
        text: /this key opens no shell and no other path/,
        remedy: /^ssh:\/\/\S+@127\.0\.0\.1:\d+\/.*bridge\.git$/,
      },
    },
    {
      name: 'model servers that are down',
      async place() {
        const url = `http://127.0.0.1:${await freePort()}`;
        return {
          ...agentPlace(),
          args: ['--ollama-url', url, '--lmstudio-url', url, '--state-dir', join(bridge.dir, 'state')],
        };
      },
      ...{
        check: 'backend',
        status: 'broken',
        text: /^ollama at \S+: cannot be reached \(ECONNREFUSED\)$/,
        remedy: /^ollama serve/,
      },
    },
    {
      name: 'an Ollama without a model',
      async place() {
        const empty = await startStandIn({ models: { ollama: [], lmstudio: [] } });
        onTestFinished(() => empty.close());
        return {
          ...agentPlace(),
          args: [...agentPlace().args.slice(4), '--ollama-url', empty.ollamaUrl, '--backend', 'ollama'],
        };
      },
      ...{ check: 'models', status: 'broken', text: /^ollama has no model$/, remedy: /^ollama pull / },
    },
    {
      name: 'a model that is not installed',
      place: () => ({
        ...agentPlace(),
        args: [...agentPlace().args, '--backend', 'ollama', '--model', 'qwen3:235b'],
      }),
      ...{
        check: 'models',
        status: 'broken',
        text: /^qwen3:235b is not installed: ollama has llama3\.2:latest$/,
        remedy: /^ollama pull qwen3:235b$|^ollama pull 'qwen3:235b'$/,
      },
    },
    {
      name: 'a model that cannot say a word',
      async place() {
        const ill = await startStandIn({
          behave: () => ({
            refuse: { kind: 'http', status: 500, body: '{"error":"llama runner process has terminated"}' },
          }),
        });
        onTestFinished(() => ill.close());
        return {
          ...agentPlace(),
          args: [...agentPlace().args.slice(4), '--ollama-url', ill.ollamaUrl, '--backend', 'ollama'],
        };
      },
      ...{
        check: 'generation',
        status: 'broken',
        text: /^no answer came \(\w+\): .*llama runner process has terminated/,
        remedy: /ollama run/,
      },
    },
    ...(
      [
        ['is not there', async () => {}, /is not there$/, /^check the path, or make a key: ssh-keygen /],
        ['is empty', (file) => writeFile(file, '', { mode: 0o600 }), /is empty$/, /^bring it from a backup/],
        [
          'is the public half',
          (file) => copyFile(`${bridge.principal('home-pc').identityFile}.pub`, file),
          /is the public half of a key$/,
          /^name the private half/,
        ],
        [
          'was saved by PuTTY',
          (file) => writeFile(file, 'PuTTY-User-Key-File-3: ssh-ed25519\n', { mode: 0o600 }),
          /is a key of PuTTY/,
          /^puttygen /,
        ],
        [
          'has the line ends of Windows',
          async (file) => {
            const text = await readFile(bridge.principal('home-pc').identityFile, 'utf8');
            await writeFile(file, text.replaceAll('\n', '\r\n'), { mode: 0o600 });
          },
          /has the line ends of Windows$/,
          /^tr -d /,
        ],
        ['is a folder', (file) => mkdir(file), /is a folder$/, /^name the private key in it/],
        [
          'has a passphrase that nobody can type',
          async (file) => {
            await runProcess('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret', '-f', file], {
              env: process.env,
            });
          },
          /has a passphrase, and there is nobody to type it/,
          /^ssh-add /,
        ],
      ] as readonly [string, (file: string) => Promise<unknown>, RegExp, RegExp][]
    ).map(([what, make, text, remedy], index) => ({
      name: `an identity file that ${what}`,
      async place() {
        const file = join(bridge.dir, `identity-${index}`);
        await make(file);
        return { ...agentPlace(), args: [...agentPlace().args, '--identity', file] };
      },
      ...{ check: 'identity', status: 'broken' as const, text, remedy },
    })),
    {
      name: 'an Ollama that has models for embeddings alone',
      async place() {
        const only = await startStandIn({
          models: { ollama: [{ name: 'all-minilm:latest', capabilities: ['embedding'] }], lmstudio: [] },
        });
        onTestFinished(() => only.close());
        return {
          ...agentPlace(),
          args: [...agentPlace().args.slice(4), '--ollama-url', only.ollamaUrl, '--backend', 'ollama'],
        };
      },
      ...{
        check: 'models',
        status: 'broken',
        text: /^ollama: no model that can chat is installed; there is all-minilm/,
        remedy: /^ollama pull /,
      },
    },
    {
      name: 'a state folder that others can write',
      async place() {
        const dir = join(bridge.dir, 'open-state');
        await mkdir(dir);
        await chmod(dir, 0o777);
        return { ...agentPlace(), args: [...agentPlace().args.slice(0, 4), '--state-dir', dir] };
      },
      ...{
        check: 'state-folder',
        status: 'broken',
        text: /can be written by others than its owner/,
        remedy: /--state-dir/,
      },
    },
    {
      name: 'a state folder that cannot be made',
      async place() {
        const file = join(bridge.dir, 'a-file');
        await writeFile(file, '');
        return {
          ...agentPlace(),
          args: [...agentPlace().args.slice(0, 4), '--state-dir', join(file, 'state')],
        };
      },
      ...{
        check: 'state-folder',
        status: 'broken',
        text: /a-file\/state cannot be written \(ENOTDIR\)$/,
        remedy: /--state-dir/,
      },
    },
  ];

  test.each(SETUPS)('recognises $name', async ({ place, ...expected }) => {
    expectFound(await look(await place()), expected);
  });

  test('sees an agent that runs in the state folder', async () => {
    const agent = await startAgentHere(bridge, standIn, { state: 'busy' });
    onTestFinished(() => agent.signal('SIGTERM'));
    const dir = join(bridge.dir, 'state-busy');
    await agent.waitFor('stderr', /connected to/);
    const args = [...agentPlace().args.slice(0, 4), '--state-dir', dir, '--no-generate'];
    const { findings } = await look({ ...agentPlace(), args });

    expect(findings.find(({ check }) => check === 'state-folder')).toMatchObject({
      status: 'ok',
      text: `an agent runs in ${dir}`,
    });
  });

  test('is not to clear away anything on a machine where the bridge is not', async () => {
    const { env } = bridge.principal('home-pc');
    const { exitCode, stderr } = await runCliHere(['doctor', '--fix', '--repo', bridge.sshUrl], { env });

    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error: --fix needs the files of the bridge\ntry: run it on the server/);
  });

  test('says why it skips what rests on something broken', async () => {
    const { findings } = await look(withSsh(agentPlace(), sshWith({ knownHostsFile: '/dev/null' })));

    const skipped = findings.filter(({ status }) => status === 'skipped');
    expect(skipped.map(({ check }) => check)).toEqual([
      'key',
      'login-time',
      'forced-command',
      'protocol',
      'role',
      'disk',
      'clock',
      'repository',
      'agents',
    ]);
    expect(skipped.map(({ text }) => text)).toEqual(
      skipped.map(() => 'skipped, because "host-key" is broken'),
    );
  });
});
