import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { endSessions } from '../../src/admin/end-sessions.js';
import { type BridgeConnection, closeConnection, openConnection } from '../../src/bridge/connection.js';
import { followStreams } from '../../src/bridge/follow-streams.js';
import { openSayAhead } from '../../src/bridge/say-ahead.js';
import { openStreamWriter, type StreamWriter } from '../../src/bridge/stream-writer.js';
import type { StreamPiece } from '../../src/protocol/stream.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { serverProcesses } from '../support/hostile/server-state.js';
import { onCleanup } from '../support/on-cleanup.js';
import { listenTo, sayTo } from '../support/stream-ends.js';
import { waitUntil } from '../support/wait-until.js';

const MAX_SESSIONS = 3;

let bridge: BridgeFixture;
let folder: string;
let tasks = 0;
let task: string;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here', sshdConfig: [`MaxSessions ${MAX_SESSIONS}`] });
  folder = join(bridge.repoPath, 'bridge/streams');
});

/** A connection with this key, with a task of its own. */
async function connect(who: string): Promise<BridgeConnection> {
  tasks += 1;
  task = tasks.toString(16).padStart(40, '0');
  const { env, home } = bridge.principal(who);
  const runtimeDir = join(home, `run-${tasks}`);
  await mkdir(runtimeDir, { mode: 0o700 });
  const connection = await openConnection(bridge.sshUrl, { ...env, XDG_RUNTIME_DIR: runtimeDir });
  onCleanup(() => closeConnection(connection));
  return connection;
}

const onServer = (): BridgeConnection => ({
  address: { kind: 'local', url: bridge.repoPath },
  env: bridge.ownerEnv,
  ssh: null,
});

const say = (connection: BridgeConnection, of = task) => sayTo(connection, of);
const listen = (connection: BridgeConnection) => listenTo(connection, task);

const begin = (second = 0): StreamPiece => ({
  begin: { agent: 'home-pc', at: new Date(Date.UTC(2026, 10, 26) + second * 1000).toISOString() },
});
const END: StreamPiece = { end: true };
const names = async () => (await readdir(folder)).sort();
const marks = async (kind: string) => (await names()).filter((name) => name.startsWith(`${kind}.`)).length;
const inLog = async (words: RegExp) =>
  [...(await readFile(bridge.sshd.logFile, 'utf8')).matchAll(words)].length;
const logins = () => inLog(/Accepted publickey/g);
const refusals = () => inLog(/no more sessions/g);

/** The sessions that wait for their task. */
const waiting = () =>
  serverProcesses(bridge.repoPath, 'home-pc').filter(({ command }) => /^dd bs=1/.test(command)).length;

/** The ssh of ours that say, or are about to. */
const sayingHere = () =>
  readdirSync('/proc').filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return words.startsWith('ssh\0') && words.includes('\0bridge-say f') && words.includes(bridge.dir);
    } catch {
      return false;
    }
  }).length;

test('what an agent says is heard elsewhere while it is said, and nothing of either session stays', async () => {
  const asker = await connect('bot');
  const reader = listen(asker);
  const first = reader.next();
  await waitUntil(async () => (await marks('hear')) === 1, 'the asker listens');
  const writer = say(await openConnectionOf('home-pc'));
  writer.write(begin());
  writer.write({ text: 'one ' });
  expect(await first).toEqual(begin());
  expect(await reader.next()).toEqual({ text: 'one ' });
  const tookMs: number[] = [];
  for (let at = 0; at < 50; at += 1) {
    const saidAt = performance.now();
    writer.write({ text: `${at} ` });
    expect(await reader.next()).toEqual({ text: `${at} ` });
    tookMs.push(performance.now() - saidAt);
  }
  // A look once a second would take much longer, on any machine.
  expect(tookMs.sort((a, b) => a - b)[25]).toBeLessThan(500);
  writer.write(END);
  await writer.close();
  expect(await reader.next()).toEqual(END);
  expect(await reader.next()).toBe('over');
  await waitUntil(async () => (await names()).join() === task, 'the marks of both sessions go');
});

/** A connection with this key, for the task of the one before. */
async function openConnectionOf(who: string): Promise<BridgeConnection> {
  const before = task;
  const connection = await connect(who);
  task = before;
  return connection;
}

test('where the server takes no further session, an agent goes without, and logs in only once', async () => {
  const connection = await connect('home-pc');
  const before = await logins();
  const refusedBefore = await refusals();
  const of = (at: number) => `f${at}${task.slice(2)}`;
  const writers = Array.from({ length: MAX_SESSIONS + 2 }, (_one, at) => say(connection, of(at)));
  for (const writer of writers) writer.write(begin());
  await waitUntil(async () => (await marks('say')) === MAX_SESSIONS, 'as many as the server takes');
  // A place that becomes free would let in one that was not refused yet.
  await waitUntil(async () => (await refusals()) - refusedBefore === 2, 'the server refuses the others');
  await waitUntil(() => sayingHere() === MAX_SESSIONS, 'the others have given up');
  for (const writer of writers) {
    writer.write(END);
    await writer.close();
  }
  expect(await marks('say')).toBe(0);
  expect((await names()).filter((name) => /^f[0-9]/.test(name))).toHaveLength(MAX_SESSIONS);
  expect((await logins()) - before).toBe(1);
});

test('a stream goes on in the session that was opened for it, and where that is gone in one of its own', async () => {
  const reader = listen(await connect('bot'));
  const connection = await openConnectionOf('home-pc');
  const first = reader.next();
  const ahead = Array.from({ length: MAX_SESSIONS }, () => openSayAhead(connection));
  await waitUntil(() => waiting() === MAX_SESSIONS, 'as many as the server takes');
  await waitUntil(async () => (await marks('hear')) === 1, 'the asker listens');
  expect(await marks('say')).toBe(0);
  expect(await names()).not.toContain(task);
  const before = await logins();
  const refusedBefore = await refusals();
  const refused = openSayAhead(connection);
  // Before the stream ends and makes room for it.
  await waitUntil(async () => (await refusals()) > refusedBefore, 'one more than the server takes');
  const writer = openStreamWriter(connection, task, { ahead: ahead.shift() ?? null });
  writer.write(begin());
  expect(await first).toEqual(begin());
  writer.write(END);
  await writer.close();
  expect(await reader.next()).toEqual(END);
  expect(waiting()).toBe(MAX_SESSIONS - 1);

  for (const session of [...ahead, refused]) await session?.close();
  await waitUntil(() => waiting() === 0, 'none waits any more');
  const other = `f0${task.slice(2)}`;
  const again = openStreamWriter(connection, other, { ahead: refused });
  again.write(END);
  await again.close();
  expect(await readFile(join(folder, other), 'utf8')).toBe('\n{"end":true}\n');
  expect(await logins()).toBe(before);
});

test('of many tasks each is heard, once and in order, over the few sessions that there are', async () => {
  const connection = await connect('bot');
  const heard = new Map<string, StreamPiece[]>();
  const streams = followStreams(connection, (of, piece) => {
    heard.set(of, [...(heard.get(of) ?? []), piece]);
  });
  onCleanup(() => streams.close());
  const before = await logins();
  const ids = Array.from(
    { length: 40 },
    (_one, at) => `e${at.toString(16).padStart(2, '0')}${task.slice(3)}`,
  );
  const writers = new Map<string, StreamWriter>();
  // One after the other, so that sessions make room for one another while they are heard.
  for (const [at, id] of ids.entries()) {
    streams.follow(id);
    const writer = say(onServer(), id);
    writers.set(id, writer);
    writer.write(begin(at));
    writer.write({ event: `data: ${at}` });
    await waitUntil(() => heard.get(id)?.length === 2, `task ${at} is heard while it is said`);
    for (const other of writers.values()) other.write({ text: `${at} ` });
  }
  for (const writer of writers.values()) writer.write(END);
  await waitUntil(() => ids.every((id) => heard.get(id)?.some((one) => 'end' in one)), 'the end of each');
  for (const [at, id] of ids.entries()) {
    const rest = ids.slice(at).map((_one, later) => ({ text: `${at + later} ` }));
    expect(heard.get(id)).toEqual([begin(at), { event: `data: ${at}` }, ...rest, END]);
  }
  expect(await marks('hear')).toBeLessThanOrEqual(MAX_SESSIONS);
  expect((await logins()) - before).toBe(1);
  await streams.close();
  await waitUntil(async () => (await marks('hear')) === 0, 'nobody listens any more');
});

test('who reads slowly gets all of it, and who stops leaves no process behind', async () => {
  const reader = listen(await connect('bot'));
  const writer = say(onServer());
  writer.write(begin());
  expect(await reader.next()).toEqual(begin());
  const text = 'x'.repeat(1000);
  for (let at = 0; at < 1000; at += 1) writer.write({ text });
  writer.write({ text: 'last' });
  let heard = 0;
  for (;;) {
    const piece = await reader.next();
    if (typeof piece === 'string' || !('text' in piece) || piece.text === 'last') break;
    heard += piece.text.length;
  }
  expect(heard).toBe(1_000_000);
  const next = reader.next();
  reader.stop();
  expect(await next).toBe('over');
  await waitUntil(
    async () => (await serverProcesses(bridge.repoPath, 'bot')).length === 0,
    'what listened has ended',
  );
  expect(await marks('hear')).toBe(0);
});

test('a removed key says and hears no more', async () => {
  const connection = await connect('home-pc');
  say(connection).write(begin());
  openSayAhead(connection);
  await waitUntil(() => waiting() === 1, 'one waits for its task');
  const other = await openConnectionOf('bot');
  expect(await listen(other).next()).toEqual(begin());
  for (const who of ['home-pc', 'bot']) {
    expect(await serverProcesses(bridge.repoPath, who)).not.toEqual([]);
    expect(await endSessions(bridge.repoPath, who)).toBeGreaterThan(0);
  }
  const isOver = async () => (await serverProcesses(bridge.repoPath, 'home-pc')).length === 0;
  await waitUntil(isOver, 'the agent has nothing there');
});

// The last: the sshd that it starts goes with it.
test('a server that is started again costs no piece, and none comes twice', async () => {
  const reader = listen(await connect('bot'));
  const writer = say(onServer());
  writer.write(begin());
  writer.write({ text: 'one ' });
  expect(await reader.next()).toEqual(begin());
  expect(await reader.next()).toEqual({ text: 'one ' });
  const next = reader.next();
  await bridge.sshd.stop();
  writer.write({ text: 'two ' });
  await bridge.restartSshd();
  expect(await next).toEqual({ text: 'two ' });
  const again = reader.next();
  writer.write({ text: 'three' });
  expect(await again).toEqual({ text: 'three' });
  const restarted = reader.next();
  const second = say(onServer());
  second.write(begin(1));
  second.write(END);
  expect(await restarted).toEqual(begin(1));
  expect(await reader.next()).toEqual(END);
});
