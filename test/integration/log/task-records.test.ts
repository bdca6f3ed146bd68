import { expect, test } from 'vitest';
import type { Repository } from '../../../src/git/run-git.js';
import { ingest } from '../../../src/log/ingest.js';
import { readAnswers } from '../../../src/log/read-answers.js';
import { rebuildLog } from '../../../src/log/rebuild-log.js';
import { verifyLog } from '../../../src/log/verify-log.js';
import type { LogRecord } from '../../../src/protocol/log-record.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, messageWriter } from '../../support/message-writer.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

/** A task as a row of the table: how it is put on main, and what a record says of it. */
interface Row {
  readonly title: string;
  readonly file: 'task.txt' | 'task.json';
  readonly text: string;
  readonly author: string;
  /** Headers of its commit that no hook lets in. */
  readonly headers?: string;
  readonly mode?: string;
  readonly expected: Pick<LogRecord, 'asker' | 'metadata'>;
}

const WITH = '{"prompt":"q","metadata":{"chat":"77","9":"b","10":"a"}}';
const METADATA = { chat: '77', '9': 'b', '10': 'a' };
const rows: readonly Row[] = [
  { title: 'a task.txt', file: 'task.txt', text: 'q', author: 'bot', expected: { asker: 'bot' } },
  {
    title: 'a task.json with metadata',
    ...{ file: 'task.json', text: WITH, author: 'bot', expected: { asker: 'bot', metadata: METADATA } },
  },
  {
    title: 'a task.txt of those very bytes, over the task.json',
    ...{ file: 'task.txt', text: WITH, author: 'bot', expected: { asker: 'bot' } },
  },
  {
    title: 'a person without a key',
    ...{ file: 'task.json', text: `${WITH}\n`, author: 'Юлия "J"' },
    expected: { asker: 'Юлия "J"', metadata: METADATA },
  },
  {
    title: 'a commit with a header more, as the owner can make one',
    ...{ file: 'task.json', text: `${WITH} `, author: 'owner', headers: 'encoding utf-8\n' },
    expected: { asker: 'owner', metadata: METADATA },
  },
  {
    title: 'a symlink, as the owner can make one',
    ...{ file: 'task.json', text: `${WITH}  `, author: 'owner', mode: '120000' },
    expected: { asker: 'owner', metadata: METADATA },
  },
];

test('a record says who asked, when, and for what, whether its task is looked up or was seen on the way', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  const repo = { gitDir: bridge.repoPath, env: bridge.env };
  const write = messageWriter(repo.gitDir, repo.env);
  // Past the hooks, as only the owner can.
  const put = async (id: string) => {
    await gitOk(['update-ref', 'refs/heads/main', id], repo);
    return id;
  };
  const expected: unknown[] = [];
  for (const row of rows) {
    const { mode, headers } = row;
    const plain = await write.set(await bridge.tip(), row.file, row.text, {
      author: row.author,
      entries: (all) => all.map((one) => (one.name === row.file && mode ? { ...one, mode } : one)),
    });
    const asked = await put(headers === undefined ? plain : await withHeaders(repo, plain, headers));
    const seconds = Number(await gitOk(['log', '-1', '--format=%ct', asked], repo));
    const answer = anAnswer(asked, row.text);
    await put(await write.answer(asked, answer));
    await ingest(repo, { now: () => 0 });
    expected.push({ ...row.expected, asked_at: new Date(seconds * 1000).toISOString() });
  }
  await put(await write.answer(await bridge.tip(), anAnswer('ab'.repeat(20), 'what is no task')));
  await ingest(repo, { now: () => 0 });
  expected.push({ asker: null, asked_at: null });

  const log = await bridge.readLog();
  const logged = log.trim().split('\n');
  expect(logged.map((line) => partOf(JSON.parse(line)))).toEqual(expected);
  expect((await readAnswers(repo, 'refs/heads/main', {})).map(partOf)).toEqual(expected);
  expect((await readAnswers(repo, 'refs/heads/main', { count: 2 })).map(partOf)).toEqual(expected.slice(-2));

  await rebuildLog(repo, { now: () => 0 });
  expect(await bridge.readLog()).toBe(log);
  // All that verify finds is the answer without a task.
  expect(await verifyLog(repo)).toMatchObject({ records: rows.length, difference: { kind: 'history' } });
});

async function withHeaders(repo: Repository, id: string, headers: string): Promise<string> {
  const raw = await gitOk(['cat-file', 'commit', id], repo);
  const args = ['hash-object', '-t', 'commit', '-w', '--stdin'];
  return (await gitOk(args, { ...repo, input: raw.replace('\n\n', `\n${headers}\n`) })).trim();
}

function partOf({ asker, asked_at, metadata }: Pick<LogRecord, 'asker' | 'asked_at' | 'metadata'>) {
  return { asker, asked_at, ...(metadata === undefined ? {} : { metadata }) };
}
