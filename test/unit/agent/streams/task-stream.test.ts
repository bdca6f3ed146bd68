import { afterEach, expect, test, vi } from 'vitest';
import type { GenerationSign } from '../../../../src/agent/backends/backend.js';
import { MAX_OPEN_STREAMS, TaskStreams } from '../../../../src/agent/streams/task-stream.js';
import type { BridgeConnection } from '../../../../src/bridge/connection.js';
import type { StreamPiece } from '../../../../src/protocol/stream.js';

const BEGINS: GenerationSign = { type: 'begins' };
const AT_MS = Date.UTC(2026, 10, 26, 21);
const BEGIN = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
const speaker = { agent: 'home-pc', now: () => AT_MS };

function said(content: string, thinking = ''): GenerationSign {
  return { type: 'piece', content, thinking };
}

afterEach(() => void vi.useRealTimers());

/** Streams whose writers only note what they are told, and end when the test says so. */
function notedStreams(kind: 'ssh' | 'local' = 'ssh') {
  const written = new Map<string, StreamPiece[]>();
  const closing = new Map<string, () => void>();
  /** Each session that was opened ahead: the task that took it, `closed`, or null. */
  const ahead: (string | null)[] = [];
  const streams = new TaskStreams({ address: { kind } } as BridgeConnection, {
    openWriter: (task, session) => {
      const pieces: StreamPiece[] = [];
      written.set(task, pieces);
      void session?.take(task);
      return {
        write: (piece) => void pieces.push(piece),
        close: () => new Promise<void>((resolve) => closing.set(task, resolve)),
      };
    },
    openAhead: () => {
      const at = ahead.push(null) - 1;
      const became = async (what: string) => {
        ahead[at] = what;
        return null;
      };
      return { take: became, close: async () => void (await became('closed')) };
    },
  });
  const closed = async (task: string) => {
    closing.get(task)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { streams, written, closing, closed, ahead };
}

test('a stream says where the generation starts, thinking apart from text, and the end', () => {
  const { streams, written, closing } = notedStreams();
  const stream = streams.open('a', speaker);
  for (const sign of [BEGINS, { type: 'alive' as const }, said('', 'hm'), said('fo'), said('ur')]) {
    stream.heard(sign);
  }
  expect(written.get('a')).toEqual([BEGIN, { thinking: 'hm' }]);
  stream.end();
  expect(written.get('a')).toEqual([BEGIN, { thinking: 'hm' }, { text: 'four' }, { end: true }]);
  expect([...closing.keys()]).toEqual(['a']);
});

test('events of a call go out whole and in their order, and beside them the text in them, joined', () => {
  const { streams, written } = notedStreams();
  const stream = streams.open('a', speaker);
  const event = (name: string): GenerationSign => ({ type: 'event', event: name, bytes: 0 });
  for (const sign of [BEGINS, event('1'), said('fo'), event('2'), said('', 'hm'), event('3'), said('ur')])
    stream.heard(sign);
  // After a silence the first goes out at once.
  expect(written.get('a')).toEqual([BEGIN, { event: '1' }]);
  stream.end();
  expect(written.get('a')?.slice(2)).toEqual([
    ...[{ event: '2' }, { event: '3' }],
    ...[{ text: 'fo' }, { thinking: 'hm' }, { text: 'ur' }, { end: true }],
  ]);
});

test('events that wait are void where the generation starts again', () => {
  const { streams, written } = notedStreams();
  const stream = streams.open('a', speaker);
  for (const name of ['1', '2']) stream.heard({ type: 'event', event: name, bytes: 0 });
  stream.heard(BEGINS);
  stream.end();
  expect(written.get('a')).toEqual([{ event: '1' }, BEGIN, { end: true }]);
});

test('thinking in tags is thinking, and a second start says so before it says anything else', () => {
  const { streams, written } = notedStreams();
  const stream = streams.open('a', speaker);
  for (const sign of [BEGINS, said('<thi'), said('nk>hm</think>\n\nfour <th')]) stream.heard(sign);
  // What was still to be joined is void.
  for (const sign of [BEGINS, said('<five'), said(' and')]) stream.heard(sign);
  stream.end();
  expect(written.get('a')).toEqual([
    BEGIN,
    { thinking: 'hm' },
    BEGIN,
    { text: '<five' },
    { text: ' and' },
    { end: true },
  ]);
});

test('a generation that was dropped says no end, and nothing more', () => {
  const { streams, written, closing } = notedStreams();
  const stream = streams.open('a', speaker);
  for (const sign of [BEGINS, said('fo'), said('ur')]) stream.heard(sign);
  stream.drop();
  stream.heard(said('!'));
  stream.end();
  expect(written.get('a')).toEqual([BEGIN, { text: 'fo' }]);
  expect([...closing.keys()]).toEqual(['a']);
});

test('on the server itself a stream is no session, so more of them are open', () => {
  const { streams, written } = notedStreams('local');
  for (let at = 0; at < 100; at += 1) streams.open(`task${at}`, speaker);
  expect(written.size).toBe(100);
});

test('only so many are open as leave sessions for answers, and the next says all of it when one has ended', async () => {
  const { streams, written, closed } = notedStreams();
  const tasks = Array.from({ length: MAX_OPEN_STREAMS + 3 }, (_, at) => `task${at}`);
  const open = new Map(tasks.map((task) => [task, streams.open(task, speaker)]));
  for (const stream of open.values()) {
    stream.heard(BEGINS);
    stream.heard(said('void'));
    stream.heard(BEGINS);
    stream.heard(said('one'));
  }
  expect([...written.keys()]).toEqual(tasks.slice(0, MAX_OPEN_STREAMS));

  // Its session is still ending: that place is not free yet.
  open.get('task0')?.end();
  expect(written.size).toBe(MAX_OPEN_STREAMS);
  open.get(`task${MAX_OPEN_STREAMS}`)?.end();
  await closed('task0');
  const second = `task${MAX_OPEN_STREAMS + 1}`;
  expect([...written.keys()]).toEqual([...tasks.slice(0, MAX_OPEN_STREAMS), second]);
  open.get(second)?.heard(said(' two'));
  open.get(second)?.end();
  expect(written.get(second)?.map((piece) => Object.keys(piece)[0])).toEqual([
    ...['begin', 'text', 'text', 'end'],
  ]);

  await closed(second);
  expect([...written.keys()].at(-1)).toBe(`task${MAX_OPEN_STREAMS + 2}`);
});

test('what says more than a megabyte before there is room for it is given up', async () => {
  const { streams, written, closed } = notedStreams();
  const first = Array.from({ length: MAX_OPEN_STREAMS }, (_, at) => streams.open(`task${at}`, speaker));
  const late = streams.open('late', speaker);
  late.heard(BEGINS);
  late.heard(said('x'.repeat(1024 * 1024 + 1)));
  late.heard(said('more'));
  first[0]?.end();
  await closed('task0');
  late.end();
  expect(written.get('late')).toEqual([]);
});

test('behind a task with a stream, the session of the next one is opened before the task is there', async () => {
  const { streams, written, closed, ahead } = notedStreams();
  streams.expect();
  expect(ahead).toEqual([]);
  streams.open('a', speaker).end();
  await closed('a');
  streams.expect();
  streams.expect();
  expect(ahead).toEqual([null]);
  streams.open('b', speaker);
  expect(ahead).toEqual(['b']);
  // It has the room of one stream, and no more.
  for (const task of ['c', 'd', 'e', 'f']) streams.open(task, speaker);
  expect([...written.keys()]).toEqual(['a', 'b', 'c', 'd', 'e']);
  streams.expect();
  expect(ahead).toEqual(['b']);
});

test('the session of the next task is opened behind the one before, where the bridge has such sessions', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { streams, closed, ahead } = notedStreams();
  streams.open('a', speaker).end();
  await closed('a');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ahead).toEqual([]);
  streams.expect();
  streams.open('b', speaker).end();
  await closed('b');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ahead).toEqual(['b', null]);
  streams.open('c', speaker).end();
  await closed('c');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ahead).toEqual(['b', 'c', null]);
  // Nothing comes for it, and nothing takes its place.
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ahead).toEqual(['b', 'c', 'closed']);
  streams.open('d', speaker).end();
  await closed('d');
  await streams.close();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ahead).toEqual(['b', 'c', 'closed']);
});

test('a session that found no task is ended, gives its room back, and is the last until a task has a stream', async () => {
  const { streams, written, closed, ahead } = notedStreams();
  streams.open('a', speaker).end();
  await closed('a');
  streams.expect();
  await streams.close();
  expect(ahead).toEqual(['closed']);
  streams.expect();
  expect(ahead).toEqual(['closed']);
  for (const task of ['b', 'c', 'd', 'e', 'f']) streams.open(task, speaker);
  expect([...written.keys()]).toEqual(['a', 'b', 'c', 'd', 'e']);
});
