import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createKeeper, FINISHED_PREFIX, listFinished } from '../../../../src/agent/clone/finished-answers.js';
import { openClone } from '../../../../src/bridge/clone.js';
import { openObjectReader } from '../../../../src/git/object-reader.js';
import { cleanEnv } from '../../../support/clean-env.js';
import { anAnswer } from '../../../support/message-writer.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { tempDir } from '../../../support/temp-dir.js';

const taskOf = (index: number) => index.toString(16).padStart(40, '0');
const answerTo = (index: number) => anAnswer(taskOf(index), `question ${index}`);

async function emptyClone() {
  const dir = await tempDir();
  const clone = await openClone(join(dir, 'clone.git'), { ...cleanEnv(dir), LC_ALL: 'C' });
  const reader = openObjectReader(clone);
  onCleanup(async () => reader.close());
  return { clone, reader };
}

test('answers that are finished at once are all kept, each by its own ref', async () => {
  const { clone, reader } = await emptyClone();
  const keep = createKeeper(clone);
  const indexes = Array.from({ length: 120 }, (_, index) => index + 1);

  const kept = await Promise.all(indexes.map((index) => keep(answerTo(index))));

  expect(kept.map(({ taskId }) => taskId)).toEqual(indexes.map(taskOf));
  expect(await listFinished(clone, reader)).toEqual(kept);
});

test('one that cannot be kept does not take the others with it, and can be kept later', async () => {
  const { clone, reader } = await emptyClone();
  const keep = createKeeper(clone);
  await keep(answerTo(1));
  const lock = join(clone.gitDir, FINISHED_PREFIX, `${taskOf(3)}.lock`);
  await writeFile(lock, '');

  const outcomes = await Promise.allSettled([2, 3, 4].map((index) => keep(answerTo(index))));

  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { code: 'clone-locked', retryable: true } });
  expect((await listFinished(clone, reader)).map(({ taskId }) => taskId)).toEqual([1, 2, 4].map(taskOf));
});
