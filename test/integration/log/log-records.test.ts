import { rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { lastSeqOfLog, markOfLog, readRecordsFrom } from '../../../src/log/log-records.js';
import { newestOlderLines, olderLines } from '../../../src/log/older-lines.js';
import { DISK } from '../../../src/process/durable-file.js';
import { formatLogLine, NO_TASK } from '../../../src/protocol/log-record.js';
import { anAnswer } from '../../support/message-writer.js';
import { tempDir } from '../../support/temp-dir.js';

const START = Date.UTC(2026, 0, 2, 3, 4, 5);
const ALL = { maxRecords: 1000, maxChars: 1e9 };
const ID = '9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d';

/** Lines of the log from `first` to `last`, a second apart; the answers are of very different lengths. */
function lines(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const seq = first + index;
    const answer = anAnswer(ID, 'q', { answer: 'а'.repeat(seq % 7 === 0 ? 150_000 : seq) });
    return formatLogLine(answer, NO_TASK, { seq, commit: ID, ingestedAtMs: START + seq * 1000 });
  }).join('');
}

async function newLog(): Promise<string> {
  return join(await tempDir(), 'answers.log');
}

async function seqsAfter(log: string, after: number, limits = ALL): Promise<number[]> {
  return (await readRecordsFrom(DISK, log, ({ seq }) => seq > after, limits)).map(({ seq }) => seq);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}

test('every record is found as the first of those behind the one before, in a log of one file', async () => {
  const log = await newLog();
  await writeFile(log, lines(1, 30));

  for (const after of range(0, 31)) expect(await seqsAfter(log, after)).toEqual(range(after + 1, 30));
  expect(await lastSeqOfLog(DISK, log)).toBe(30);
});

test('a line is handed out as it stands there, and its time is read', async () => {
  const log = await newLog();
  const text = lines(1, 14);
  await writeFile(log, text);

  const [first] = await readRecordsFrom(DISK, log, ({ ingestedAtMs }) => ingestedAtMs >= START + 14_000, ALL);

  expect(first).toEqual({ seq: 14, ingestedAtMs: START + 14_000, line: text.split('\n')[13] });
});

test('lines that are no records are passed over, and a last one without its line break is not read', async () => {
  const log = await newLog();
  const junk = `no record\n{"seq":"x"}\n${'x'.repeat(70_000)}\n\n`;
  await writeFile(log, `${junk}${lines(1, 8)}${junk}${lines(9, 9)}${junk}${lines(10, 10).slice(0, -1)}`);

  for (const after of range(0, 10)) expect(await seqsAfter(log, after)).toEqual(range(after + 1, 9));
});

test('records are read on from the rotated files into the current one, whatever the files are called', async () => {
  const log = await newLog();
  await writeFile(`${log}-20260103`, lines(7, 9));
  await writeFile(`${log}.1.gz`, gzipSync(lines(1, 3)));
  await writeFile(`${log}-20260102`, lines(4, 6));
  await writeFile(log, lines(10, 12));

  for (const after of range(0, 13)) expect(await seqsAfter(log, after)).toEqual(range(after + 1, 12));

  await rm(log);
  for (const after of [0, 3, 5, 8, 9]) expect(await seqsAfter(log, after)).toEqual(range(after + 1, 9));
  expect(await lastSeqOfLog(DISK, log)).toBe(9);
});

test('a record that is in two files is read once, and of those that are missing nothing is said', async () => {
  const log = await newLog();
  await writeFile(`${log}.2`, lines(1, 6));
  await writeFile(`${log}.1`, lines(4, 8));
  await writeFile(log, lines(11, 12));

  expect(await seqsAfter(log, 0)).toEqual([...range(1, 8), 11, 12]);
  expect(await seqsAfter(log, 5)).toEqual([6, 7, 8, 11, 12]);
});

test('what was rotated away is looked back at, each record once: all of it, or the newest of it', async () => {
  const log = await newLog();
  await writeFile(`${log}.3.gz`, gzipSync(lines(1, 3)));
  await writeFile(`${log}.2`, lines(3, 6));
  await writeFile(`${log}.1`, lines(6, 9));
  await writeFile(log, lines(10, 12));
  const seqOf = (line: string) => (JSON.parse(line) as { seq: number }).seq;
  const isEven = (line: string) => seqOf(line) % 2 === 0;
  const all = async (wanted: (line: string) => boolean, sinceMs?: number) => {
    const found: number[] = [];
    for await (const line of olderLines(log, { wanted, sinceMs })) found.push(seqOf(line));
    return found;
  };
  const newest = async (count: number, wanted: (line: string) => boolean) =>
    (await newestOlderLines(log, count, { wanted })).map(seqOf);

  expect(await all(() => true)).toEqual(range(1, 9));
  expect(await all(isEven)).toEqual([2, 4, 6, 8]);
  expect(await newest(2, isEven)).toEqual([6, 8]);
  expect(await newest(5, () => true)).toEqual(range(5, 9));
  expect(await newest(100, isEven)).toEqual([2, 4, 6, 8]);
  // Written before that time, a file has nothing of it.
  await utimes(`${log}.3.gz`, new Date(1000), new Date(1000));
  expect(await all(() => true, 2000)).toEqual(range(3, 9));
});

test('as many are read as the limits allow, and always one', async () => {
  const log = await newLog();
  await writeFile(log, lines(1, 9));

  expect(await seqsAfter(log, 2, { maxRecords: 3, maxChars: 1e9 })).toEqual([3, 4, 5]);
  expect(await seqsAfter(log, 6, { maxRecords: 3, maxChars: 10 })).toEqual([7]);
  await rename(log, `${log}.1`);
  expect(await seqsAfter(log, 2, { maxRecords: 3, maxChars: 1e9 })).toEqual([3, 4, 5]);
});

test('where there is no log there are no records', async () => {
  const log = await newLog();

  expect(await seqsAfter(log, 0)).toEqual([]);
  expect(await lastSeqOfLog(DISK, log)).toBe(0);
  await writeFile(log, '');
  expect(await seqsAfter(log, 0)).toEqual([]);
});

test('the mark of a log changes with each record and each rename', async () => {
  const log = await newLog();
  const marks = [await markOfLog(DISK, log)];
  await writeFile(log, lines(1, 1));
  marks.push(await markOfLog(DISK, log));
  expect(await markOfLog(DISK, log)).toBe(marks[1]);
  await writeFile(log, lines(2, 2), { flag: 'a' });
  marks.push(await markOfLog(DISK, log));
  await rename(log, `${log}.1`);
  marks.push(await markOfLog(DISK, log));

  expect(new Set(marks).size).toBe(4);
});
