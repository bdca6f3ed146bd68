import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeLooseObject } from '../../../src/git/loose-object.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { readHistory } from '../../../src/git/read-history.js';
import type { Repository } from '../../../src/git/run-git.js';
import { walkAnswers } from '../../../src/log/walk-answers.js';
import { type HistoryCommit, messageOf } from '../../../src/protocol/history.js';
import { formatLogLine } from '../../../src/protocol/log-record.js';
import { readQueue } from '../../../src/protocol/queue.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitOk } from '../../support/git.js';
import { type HistoryVector, historyVectorsSchema } from '../../support/history-vectors.js';
import { bytesOf, readVectors } from '../../support/read-vectors.js';
import { tempDir } from '../../support/temp-dir.js';

// The vectors of raw history, read by a real git. test/unit/protocol has those of messages.

const vectors = await readVectors('history', historyVectorsSchema);

test.each(vectors.cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
  const dir = await tempDir();
  const gitDir = path.join(dir, 'bridge.git');
  const env = cleanEnv(dir);
  await gitOk(['init', '--bare', '--quiet', `--object-format=${one.object_format}`, gitDir], { env });
  const ids = await Promise.all(
    one.objects.map((object) =>
      writeLooseObject(gitDir, { type: object.type, content: bytesOf(object) }, one.object_format),
    ),
  );
  expect(ids).toEqual(one.objects.map(({ id }) => id));
  await writeFile(path.join(gitDir, 'shallow'), edgesOf(one.objects));
  const repo = { gitDir, env };
  const commits = await readHistory(repo, { from: [one.tip] });
  const queue = readQueue(commits, { nowMs: one.now_ms, ttlMs: one.ttl_ms });
  expect(queue.pending.map(({ id }) => id)).toEqual(one.pending);
  expect(queue.expired.map(({ id }) => id)).toEqual(one.expired);
  expect([...queue.cancelled.keys()]).toEqual(one.cancelled);
  expect(queue.answeredCount).toBe(one.answered);
  // The queue names the blob, the vectors the commit.
  const blobs = new Map(
    commits.flatMap((commit) => {
      const message = messageOf(commit);
      return message.kind === 'answer' ? [[commit.id, message.change.newId] as const] : [];
    }),
  );
  expect(Object.fromEntries(queue.goodAnswers)).toEqual(
    Object.fromEntries(Object.entries(one.good_answers).map(([key, id]) => [key, blobs.get(id)])),
  );
  expect(await linesOf(repo, commits)).toEqual(one.log);
});

/** The commits whose parents are not there, as the file `shallow` of a clone lists them. */
function edgesOf(objects: HistoryVector['objects']): string {
  const there = new Set(objects.map(({ id }) => id));
  return objects
    .filter(({ type }) => type === 'commit')
    .filter((commit) => {
      const [head = ''] = bytesOf(commit).toString('utf8').split('\n\n');
      return [...head.matchAll(/^parent (.*)$/gm)].some(([, parent = '']) => !there.has(parent));
    })
    .map(({ id }) => `${id}\n`)
    .join('');
}

/** The lines of answers.log that follow from these commits, up to `ingested_at`. */
async function linesOf(repo: Repository, commits: readonly HistoryCommit[]): Promise<string[]> {
  const reader = openObjectReader(repo);
  const lines: string[] = [];
  try {
    for await (const { commit, answer, task } of walkAnswers(repo, reader, toAsync(commits))) {
      const line = formatLogLine(answer, task, { seq: lines.length + 1, commit: commit.id, ingestedAtMs: 0 });
      lines.push(line.slice(0, line.lastIndexOf(',"ingested_at":')));
    }
  } finally {
    reader.close();
  }
  return lines;
}

async function* toAsync<T>(all: readonly T[]): AsyncGenerator<T> {
  yield* all;
}
