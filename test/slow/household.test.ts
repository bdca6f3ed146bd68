import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import type { BridgeStatus } from '../../src/admin/bridge-status.js';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import type { State } from '../../src/gateway/page/gateway.js';
import { listProcesses } from '../../src/process/process-table.js';
import { gate, questionsOf, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { findChromium, openPage, startBrowser } from '../support/browser.js';
import { cleanEnv } from '../support/clean-env.js';
import { type RunningCli, startCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { onCleanup } from '../support/on-cleanup.js';
import { tempDir } from '../support/temp-dir.js';
import { waitUntil } from '../support/wait-until.js';

// One household: a PC that serves two bridges and sleeps, a small agent that is always on, something that
// wakes the PC, and a standby. Each of them is killed at its work.

const MODELS = { big: 'big:70b', small: 'small:3b', standby: 'tiny:1b' } as const;
const AFTER_MS = 5_000;

let home: BridgeFixture;
let club: BridgeFixture;
const models = {} as Record<keyof typeof MODELS, StandIn>;
/** Where `serve` of both bridges listens. */
let pageUrl: string;
/** The tasks on the page, in a real browser; null where there is no Chromium in the PATH. */
let screen: Page | null = null;
/** Each question that was asked, by its task. */
const questions = new Map<string, string>();
let pcDir: string;
let pcEnv: Record<string, string>;
let port: number;
/** Told of every magic packet that comes to the network of the PC. */
let onPacket: (packet: Buffer) => void = () => {};

beforeAll(async () => {
  const asker = (name: string) => ({ name, role: 'asker' }) as const;
  const agent = (name: string) => ({ name, role: 'agent' }) as const;
  home = await startBridgeFixture({
    principals: [...['big', 'small', 'standby', 'pi'].map(agent), ...['alice', 'bob'].map(asker)],
  });
  club = await startBridgeFixture({ principals: [agent('big'), asker('carol')] });
  for (const name of ['big', 'small', 'standby'] as const) {
    models[name] = await startStandIn({ models: { ollama: [MODELS[name]], lmstudio: [], openai: [] } });
    onCleanup(() => models[name].close());
  }
  pageUrl = await servePage();
  const chromium = await findChromium();
  if (chromium === null) console.log('there is no Chromium in the PATH: nobody looks at the page');
  else screen = (await openPage(await startBrowser(chromium), `${pageUrl}/#tasks`)).page;
  const receiver = createSocket('udp4');
  onCleanup(() => void receiver.close());
  receiver.on('message', (packet) => onPacket(packet));
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  port = receiver.address().port;
  await preparePc();
});

/** Starts `serve` on the server, for both bridges by their profiles. */
async function servePage(): Promise<string> {
  const env = await withProfiles(home.ownerEnv, await tempDir(), {
    home: { repo: home.repoPath },
    club: { repo: club.repoPath },
  });
  const args = ['serve', '--repo', 'home', '--repo', 'club', '--listen', '127.0.0.1:0'];
  const serve = await startCli(args, { env });
  return (await serve.waitFor('stderr', /listening on (\S+)/))[1] ?? '';
}

/** The environment of somebody who has saved these bridges. */
async function withProfiles(
  env: Record<string, string>,
  dir: string,
  profiles: Readonly<Record<string, { readonly repo: string; readonly identity?: string }>>,
): Promise<Record<string, string>> {
  const folder = join(dir, 'config', 'llm-bridge');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify({ profiles }));
  return { ...env, XDG_CONFIG_HOME: join(dir, 'config') };
}

/** The PC reaches both bridges by profiles, each with a key of its own. */
async function preparePc(): Promise<void> {
  pcDir = await tempDir();
  const profileOf = (one: BridgeFixture) => ({
    repo: one.sshUrl,
    identity: one.principal('big').identityFile,
  });
  const env = cleanEnv(pcDir, {
    GIT_SSH_COMMAND:
      'ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR',
  });
  pcEnv = await withProfiles(env, pcDir, { home: profileOf(home), club: profileOf(club) });
}

/** The PC, which sleeps when neither bridge has anything to do: its suspend ends the agent. */
function startBig(): Promise<RunningCli> {
  const repos = ['--repo', 'home', '--repo', 'club', '--state-dir', join(pcDir, 'state')];
  const model = ['--backend', 'ollama', '--ollama-url', models.big.ollamaUrl];
  const idle = ['--idle-after', '2s', '--idle-command', 'kill -TERM $PPID'];
  return startCli(['agent', ...repos, ...model, ...idle], { env: pcEnv });
}

function startHere(name: 'small' | 'standby', ...args: string[]): Promise<RunningCli> {
  return startAgent(home, models[name], { as: name, state: name, args: ['--backend', 'ollama', ...args] });
}

async function startPi(): Promise<RunningCli> {
  const to = ['--mac', 'a8:5e:45:01:02:03', '--broadcast', '127.0.0.1', '--port', String(port)];
  const pi = await startCli(['wake', ...to, '--repo', home.sshUrl], { env: home.principal('pi').env });
  await pi.waitFor('stderr', /watching ssh:/);
  return pi;
}

async function kill9(running: RunningCli): Promise<void> {
  running.signal('SIGKILL');
  await running.exited;
}

/** Kills an sshd with all its sessions, as a server that loses its power; then it is there again. */
async function kill9Sshd(bridge: BridgeFixture): Promise<void> {
  const table = await listProcesses();
  const pids = new Set([bridge.sshd.pid]);
  for (let before = 0; before < pids.size; ) {
    before = pids.size;
    for (const { pid, ppid } of table) if (pids.has(ppid)) pids.add(pid);
  }
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended with its parent.
    }
  }
  await waitUntil(
    async () => !(await listProcesses()).some(({ pid }) => pid === bridge.sshd.pid),
    'the end of sshd',
  );
  await bridge.restartSshd();
}

async function ask(bridge: BridgeFixture, who: string, question: string, model?: string): Promise<string> {
  const args = ['ask', '--no-wait', question, ...(model === undefined ? [] : ['--model', model])];
  const env = bridge.principal(who).env;
  const { stdout, stderr } = await runCliHere([...args, '--repo', bridge.sshUrl], { env });
  expect(stdout, stderr).toMatch(/^[0-9a-f]{40}\n$/);
  const task = stdout.trim();
  questions.set(task, question);
  return task;
}

async function statusOf(bridge: BridgeFixture): Promise<BridgeStatus> {
  const args = ['status', '--json', '--repo', bridge.repoPath];
  return JSON.parse((await runCliHere(args, { env: bridge.ownerEnv })).stdout) as BridgeStatus;
}

/** Who is waited for, in a line: `waits for big (away), woken by pi, else standby`. */
function lineOf(waiting: NonNullable<State['tasks'][number]['waiting']>): string {
  const whom = waiting.agents.map(({ name, state }) => `${name}${state === 'there' ? '' : ` (${state})`}`);
  const waker = waiting.waking_by === null ? '' : `, woken by ${waiting.waking_by}`;
  const standby = waiting.standby === null ? '' : `, else ${waiting.standby.name}`;
  return `waits for ${whom.sort().join(' and ')}${waker}${standby}`;
}

/** In the page: the text of each cell of each row. */
const ROWS =
  "[...document.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))";

/** The lines of the open tasks of a bridge as a person reads them on the page, by their questions. */
async function onScreen(shown: Page, bridge: string): Promise<Record<string, string>> {
  const rows = (await shown.evaluate(ROWS)) as string[][];
  return Object.fromEntries(
    rows
      .filter(([state = '', , asker = '']) => /^(?:pending|running)/.test(state) && asker.startsWith(bridge))
      .map(([state = '', question = '', , agent = '', , place = '']) => [
        question,
        state.startsWith('running') ? `${agent} answers` : lineOnScreen(place),
      ]),
  );
}

/** `waits for big (last seen 3 s ago) · pi is waking it · …` in the words of lineOf. */
function lineOnScreen(place: string): string {
  const whom = /waits for ([^·]*[^· ])/.exec(place)?.[1] ?? '';
  const names = whom.split(', ').map((name) => name.replace(/ \(last seen .* ago\)/, ' (away)'));
  const waker = /(\S+) is waking it/.exec(place);
  const standby = /(\S+) steps in after [0-9]+ s/.exec(place);
  const rest = `${waker === null ? '' : `, woken by ${waker[1]}`}${standby === null ? '' : `, else ${standby[1]}`}`;
  return `waits for ${names.sort().join(' and ')}${rest}`;
}

/**
 * Waits until status, the data of the page and what it shows all say this of the open tasks of a bridge, and
 * of no other task.
 */
async function shows(bridge: BridgeFixture, expected: Readonly<Record<string, string>>): Promise<void> {
  let said: Record<string, string>[] = [];
  let wanted: Readonly<Record<string, string>>[] = [];
  const isSaid = async () => {
    const { pending, running } = await statusOf(bridge);
    const byStatus = Object.fromEntries([
      ...pending.map(({ task, waiting }) => [task, waiting === null ? '?' : lineOf(waiting)]),
      ...running.map(({ task, agent }) => [task, `${agent} answers`]),
    ]);
    const { tasks } = (await (await fetch(`${pageUrl}/page/state`)).json()) as State;
    const name = bridge === home ? 'home' : 'club';
    const byPage = Object.fromEntries(
      tasks
        .filter((one) => one.bridge === name && (one.state === 'pending' || one.state === 'running'))
        .map(({ task, waiting, agent }) => [task, waiting === null ? `${agent} answers` : lineOf(waiting)]),
    );
    const byQuestion = Object.fromEntries(
      Object.entries(expected).map(([task, line]) => [questions.get(task) ?? task, line]),
    );
    const byScreen = screen === null ? byQuestion : await onScreen(screen, name);
    said = [byStatus, byPage, byScreen];
    wanted = [expected, expected, byQuestion];
    return said.every((one, at) => sorted(one) === sorted(wanted[at] ?? {}));
  };
  await waitUntil(isSaid, 'status and page to agree').catch(() => expect(said).toEqual(wanted));
}

const sorted = (all: Readonly<Record<string, string>>) => JSON.stringify(Object.entries(all).sort());

async function answered(bridge: BridgeFixture, task: string) {
  const isThere = async () => (await bridge.answersLog()).find((one) => one.task_commit === task) ?? false;
  return waitUntil(isThere, `the answer to ${task}`);
}

/** Every task of a bridge was answered, and once. */
async function answeredOnce(bridge: BridgeFixture, tasks: readonly string[]): Promise<void> {
  const all = (await bridge.answersLog()).map(({ task_commit }) => task_commit);
  for (const task of tasks) expect(all.filter((one) => one === task)).toEqual([task]);
  const trailers = await bridge.gitLog('%(trailers:key=Task,valueonly,separator=%x20)');
  for (const task of tasks) expect(trailers.filter((one) => one.includes(task))).toHaveLength(1);
}

const heard = (name: keyof typeof MODELS, question: string, times = 1) =>
  waitUntil(
    () => questionsOf(models[name]).filter((one) => one === question).length >= times,
    `"${question}" at ${name}, ${times}`,
  );

/** The PC has come to a bridge since then, and has all that was asked there before. */
async function cameTo(bridge: BridgeFixture, sinceMs: number): Promise<void> {
  const seenMs = async () =>
    Date.parse((await statusOf(bridge)).agents.find(({ name }) => name === 'big')?.seen_at ?? '');
  await waitUntil(async () => (await seenMs()) > sinceMs, 'the presence of the PC');
}

test('who floods is no hindrance to anybody on either bridge, also where both agents are killed at work, and then the PC sleeps', async () => {
  const [held, heldSmall] = [gate(), gate()];
  models.big.behave = () => ({ firstTokenAfter: held.opened });
  models.small.behave = () => ({ firstTokenAfter: heldSmall.opened });
  const a1 = await ask(home, 'alice', 'alice 1', MODELS.big);
  const big = await startBig();
  const small = await startHere('small');
  await heard('big', 'alice 1');
  const a2 = await ask(home, 'alice', 'alice 2', MODELS.big);
  const a3 = await ask(home, 'alice', 'alice 3', MODELS.big);
  const b1 = await ask(home, 'bob', 'bob 1', MODELS.big);
  const b2 = await ask(home, 'bob', 'bob 2', MODELS.small);
  const c1 = await ask(club, 'carol', 'carol 1', MODELS.big);
  await heard('small', 'bob 2');
  const forBig = 'waits for big (busy)';
  await shows(home, {
    ...{ [a1]: 'big answers', [b2]: 'small answers' },
    ...{ [a2]: forBig, [a3]: forBig, [b1]: forBig },
  });
  // It is at work on the other bridge alone.
  await shows(club, { [c1]: forBig });

  await kill9(small);
  await kill9(big);
  const killedMs = Date.now();
  const [smallAgain, bigAgain] = [await startHere('small'), await startBig()];
  await heard('small', 'bob 2', 2);
  heldSmall.open();
  expect(await answered(home, b2)).toMatchObject({ agent: 'small', error: null });
  await waitUntil(() => questionsOf(models.big).length >= 2, 'a question at the big model once more');
  for (const bridge of [home, club]) await cameTo(bridge, killedMs);
  const before = questionsOf(models.big).length;
  held.open();
  for (const task of [a1, a2, a3, b1])
    expect(await answered(home, task)).toMatchObject({ agent: 'big', error: null });
  expect(await answered(club, c1)).toMatchObject({ agent: 'big', error: null });
  // What is answered counts for nobody any more: her second may stand before theirs, her third does not.
  const order = questionsOf(models.big).slice(before - 1);
  const alices = order.filter((one) => one.startsWith('alice'));
  for (const first of ['bob 1', 'carol 1'])
    expect(order.indexOf(first), order.join()).toBeLessThan(order.indexOf(alices[2] ?? ''));
  await answeredOnce(home, [a1, a2, a3, b1, b2]);
  await answeredOnce(club, [c1]);

  expect(await bigAgain.exited).toMatchObject({ exitCode: 0 });
  for (const bridge of [home, club]) {
    await shows(bridge, {});
    expect((await statusOf(bridge)).agents.find(({ name }) => name === 'big')?.state).toBe('stopped');
  }
  smallAgain.signal('SIGTERM');
  await smallAgain.exited;
});

test('the packet wakes the PC, also where who sends it is killed at it, and the PC answers and sleeps again, though it is killed too', async () => {
  const held = gate();
  models.big.behave = () => ({ firstTokenAfter: held.opened });
  const woken: Buffer[] = [];
  onPacket = (packet) => woken.push(packet);
  const pi = await startPi();
  const task = await ask(home, 'bob', 'bob 3', MODELS.big);
  await waitUntil(() => woken.length > 0, 'the packet');
  await shows(home, { [task]: 'waits for big (away), woken by pi' });
  await kill9(pi);
  await shows(home, { [task]: 'waits for big (away), woken by pi' });

  const pc = new Promise<RunningCli>((resolve, reject) => {
    onPacket = () => {
      onPacket = () => {};
      startBig().then(resolve, reject);
    };
  });
  const piAgain = await startPi();
  const big = await pc;
  await heard('big', 'bob 3');
  await shows(home, { [task]: 'big answers' });
  await kill9(big);
  const bigAgain = await startBig();
  await heard('big', 'bob 3', 2);
  await shows(home, { [task]: 'big answers' });
  held.open();
  expect(await answered(home, task)).toMatchObject({ agent: 'big', error: null });
  expect(await bigAgain.exited).toMatchObject({ exitCode: 0 });
  await answeredOnce(home, [task]);
  await piAgain.waitFor('stderr', /an agent is there, or nothing waits any more/);
  await shows(home, {});
  expect((await statusOf(home)).waking).toEqual([]);
  await kill9(piAgain);
});

test('where the PC does not wake, a standby steps in after its time and not before, also where it and the server are killed at its answer', async () => {
  const held = gate();
  let heardMs = 0;
  models.standby.behave = () => {
    heardMs ||= Date.now();
    return { firstTokenAfter: held.opened };
  };
  const packets: Buffer[] = [];
  onPacket = (packet) => packets.push(packet);
  const after = ['--after', `${AFTER_MS / 1000}s`];
  const standby = await startHere('standby', ...after);
  const isThere = async () => (await statusOf(home)).agents.some(({ name }) => name === 'standby');
  await waitUntil(isThere, 'the presence of the standby');
  const pi = await startPi();
  // However long a look at the page takes: it does not step in before its time has been seen to run.
  standby.signal('SIGSTOP');
  const task = await ask(home, 'alice', 'alice 4');
  await waitUntil(() => packets.length > 0, 'the packet');
  await shows(home, { [task]: 'waits for big (away) and small (away), woken by pi, else standby' });
  standby.signal('SIGCONT');
  await heard('standby', 'alice 4');
  await shows(home, { [task]: 'standby answers' });
  await kill9(standby);
  await kill9Sshd(home);
  const again = await startHere('standby', ...after);
  await heard('standby', 'alice 4', 2);
  held.open();
  const { asked_at, ...record } = await answered(home, task);
  expect(record).toMatchObject({ agent: 'standby', model: MODELS.standby, error: null });
  expect(heardMs - Date.parse(String(asked_at))).toBeGreaterThanOrEqual(AFTER_MS);
  await answeredOnce(home, [task]);
  await shows(home, {});
  for (const running of [again, pi]) running.signal('SIGTERM');
  await Promise.all([again.exited, pi.exited]);
});
