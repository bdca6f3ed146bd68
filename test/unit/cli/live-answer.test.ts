import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { type AnswerPiece, AnswerPieces } from '../../../src/asker/answer-pieces.js';
import { LiveAnswer } from '../../../src/cli/live-answer.js';
import { stripControls } from '../../../src/protocol/printable.js';
import type { StreamPiece } from '../../../src/protocol/stream.js';
import { Screen, type ScreenOptions } from '../../support/screen.js';

const BEGIN: StreamPiece = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
const MARK = '(it starts again)';

afterEach(() => {
  vi.useRealTimers();
});

/** A terminal with something on it already, and an answer that is written there. */
function onScreen(options: ScreenOptions = {}, canMove = true) {
  const screen = new Screen(options);
  screen.write('$ llm-bridge ask\n');
  const spinner = { isAway: false };
  const size = { columns: screen.columns };
  let resized = () => {};
  const live = new LiveAnswer(
    {
      get columns() {
        return size.columns;
      },
      rows: screen.rows,
      onResize: (changed) => {
        resized = changed;
      },
      draw: async (text) => screen.write(text),
    },
    {
      giveWay: () => {
        spinner.isAway = true;
      },
      comeBack: () => {
        spinner.isAway = false;
      },
    },
    { remedy: () => 'nothing', canMove },
  );
  return {
    live,
    spinner,
    resize(columns: number) {
      size.columns = columns;
      resized();
    },
    shown: () => screen.text().replace('$ llm-bridge ask\n', ''),
  };
}

/** What stands on the terminal when the answer is there. */
async function shownAfter(
  stream: readonly StreamPiece[],
  answer: string,
  { stalls = false, ...options }: ScreenOptions & { readonly stalls?: boolean } = {},
): Promise<string> {
  const { live, shown } = onScreen(options);
  const pieces = new AnswerPieces((piece) => live.take(piece));
  for (const piece of stream) {
    pieces.take(piece);
    if (stalls) vi.advanceTimersByTime(5_000);
  }
  pieces.finish(answer);
  await live.finish();
  return shown();
}

const TALL = Array.from({ length: 60 }, (_, at) => `line ${at} 漢字`).join('\n');

test('the answer stands there as it comes, and is whole in the end', async () => {
  const { live, spinner, shown } = onScreen();
  live.take({ text: 'Привет, ' });
  expect(spinner.isAway).toBe(true);
  expect(shown()).toBe('Привет, \n');
  live.take({ text: 'мир' });
  await live.finish();
  expect(shown()).toBe('Привет, мир\n');
});

test.each([
  ['wide and joined characters', '漢字漢字漢字漢字漢字漢字 👨‍👩‍👧 e\u0301 🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂'],
  ['a long line', 'word '.repeat(60)],
  ['several lines', 'one\n\ntwo\n'],
  ['one that is higher than the screen', TALL],
  ['a full row', 'x'.repeat(40)],
])('%s: what was said before a restart is taken back, or a line tells the two apart', async (_name, text) => {
  for (const markCells of [0, 1, 2]) {
    const screen = { columns: 40, rows: 10, markCells };
    const shown = await shownAfter([BEGIN, { text }, BEGIN, { text: 'fo' }], 'four', screen);
    if (shown.includes(MARK)) expect(shown).toBe(`${text.replace(/\n$/, '')}\n${MARK}\nfour\n`);
    else expect(shown).toBe('four\n');
  }
});

test('what is short, of known width, or wrapped is taken back without a trace', async () => {
  for (const text of ['one', 'Привет 漢字 🙂', 'one\ntwo\n', 'word '.repeat(30)]) {
    expect(await shownAfter([BEGIN, { text }, BEGIN], 'four', { columns: 40, rows: 10 })).toBe('four\n');
  }
});

test('whatever the stream says, wherever it breaks off, the answer stands there in the end', async () => {
  const texts = fc.string({
    unit: fc.constantFrom('a', ' ', '\n', 'ж', '漢', '🙂', '\u0301', '\t', '\u001b', '\r'),
  });
  const piece: fc.Arbitrary<StreamPiece> = fc.oneof(
    texts.map((text) => ({ text })),
    texts.map((thinking) => ({ thinking })),
    fc.constant(BEGIN),
  );
  // Behind each piece it may stand still for as long as a sign needs to come.
  vi.useFakeTimers();
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece),
      texts.filter((text) => text !== ''),
      fc.constantFrom(0, 1, 2),
      fc.integer({ min: 3, max: 30 }),
      fc.boolean(),
      async (stream, answer, markCells, columns, stalls) => {
        const shown = await shownAfter(stream, answer, { columns, rows: 8, markCells, stalls });
        const last = shown.split(`${MARK}\n`).at(-1) ?? '';
        // What a terminal shows of tabs, and of marks that stand alone, is its own.
        fc.pre(!answer.includes('\t') && !answer.includes('\u0301'));
        const want = stripControls(answer);
        expect(last.replace(/\n+$/, '')).toBe(want.replace(/\n+$/, ''));
      },
    ),
  );
});

test('thinking stands in a few rows, and is gone when the answer begins', async () => {
  const { live, spinner, shown } = onScreen({ columns: 20, rows: 10 });
  for (let at = 0; at < 100; at++) live.take({ thinking: `thought ${at} 漢字漢字 ` });
  const rows = shown().trimEnd().split('\n');
  expect(rows).toHaveLength(5);
  for (const row of rows) expect(row).toMatch(/^\| /);
  expect(rows.at(-1)).toContain('漢字');
  live.take({ restart: true });
  expect(spinner.isAway).toBe(false);
  expect(shown()).toBe('');
  live.take({ thinking: 'again' });
  expect(shown()).toBe('| again\n');
  live.take({ text: 'four' });
  live.take({ thinking: 'too late' });
  await live.finish();
  expect(shown()).toBe('four\n');
});

test('a terminal that changes its width while something stands there is not guessed at', async () => {
  const long = 'word '.repeat(12);
  for (const [text, expected] of [
    ['short', 'four\n'],
    [long, `${long}\n${MARK}\nfour\n`],
  ] as const) {
    const { live, resize, shown } = onScreen({ columns: 80 });
    live.take({ text });
    resize(40);
    live.take({ restart: true });
    live.take({ text: 'four' });
    await live.finish();
    expect(shown()).toBe(expected);
  }
});

test('a terminal that cannot move its cursor shows the text alone, and says where it starts again', async () => {
  const { live, shown } = onScreen({}, false);
  const pieces: AnswerPiece[] = [{ thinking: 'hm' }, { text: 'five' }, { restart: true }, { text: 'four' }];
  for (const piece of pieces) live.take(piece);
  await live.finish();
  expect(shown()).toBe(`five\n${MARK}\nfour\n`);
});

test('who stops waiting keeps what stands there, and goes on in a line of its own', async () => {
  const { live, shown } = onScreen();
  for (const piece of [{ thinking: 'hm' }, { text: 'fo' }]) live.take(piece);
  await live.leave();
  expect(shown()).toBe('fo\n');
  const thinking = onScreen();
  thinking.live.take({ thinking: 'hm' });
  await thinking.live.leave();
  expect(thinking.shown()).toBe('');
});

test('behind an answer that stands still a sign turns, and it is gone when the next piece comes', async () => {
  vi.useFakeTimers();
  for (const text of ['one two', 'one\n', 'word '.repeat(30), '漢字 🙂']) {
    const { live, shown } = onScreen({ columns: 40 });
    live.take({ thinking: 'hm, hm' });
    vi.advanceTimersByTime(2_900);
    expect(shown()).toBe('| hm, hm\n');
    vi.advanceTimersByTime(200);
    expect(shown()).toBe('| hm, hm⠋\n');
    live.take({ text });
    vi.advanceTimersByTime(2_900);
    expect(shown().trimEnd()).toBe(text.trimEnd());
    vi.advanceTimersByTime(100);
    expect(shown()).toBe(`${text}⠋\n`);
    vi.advanceTimersByTime(240);
    expect(shown()).toBe(`${text}⠹\n`);
    live.take({ text: 'three' });
    expect(shown()).toBe(`${text}three\n`);
    vi.advanceTimersByTime(9_000);
    await live.finish();
    vi.advanceTimersByTime(9_000);
    expect(shown()).toBe(`${text}three\n`);
  }
});

test.each([
  ['the last row has no room for it', { columns: 40 }, 'x'.repeat(39)],
  ['nobody knows how wide the text is', { columns: 40 }, 'e\u0301 '.repeat(3)],
  ['the terminal cannot move its cursor', { canMove: false }, 'one'],
  ['the terminal became wider meanwhile', { resizeTo: 100 }, 'one'],
])(
  'no sign is shown where %s',
  (_why, how: { columns?: number; canMove?: boolean; resizeTo?: number }, text) => {
    vi.useFakeTimers();
    const { live, shown, resize } = onScreen({ columns: how.columns ?? 80 }, how.canMove ?? true);
    live.take({ text });
    if (how.resizeTo !== undefined) resize(how.resizeTo);
    vi.advanceTimersByTime(9_000);
    expect(shown()).toBe(`${text}\n`);
  },
);

test('a sign that stands there when the terminal changes its width is taken back, and so it is by a restart', async () => {
  vi.useFakeTimers();
  const { live, shown, resize } = onScreen({ columns: 80 });
  live.take({ text: 'one' });
  vi.advanceTimersByTime(5_000);
  resize(60);
  vi.advanceTimersByTime(5_000);
  expect(shown()).toBe('one\n');
  const other = onScreen();
  other.live.take({ text: 'one' });
  vi.advanceTimersByTime(5_000);
  other.live.take({ restart: true });
  vi.advanceTimersByTime(5_000);
  expect(other.shown()).toBe('');
  other.live.take({ text: 'four' });
  await other.live.finish();
  expect(other.shown()).toBe('four\n');
});
