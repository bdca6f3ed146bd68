import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { taskSubmission } from '../../../src/asker/submission.js';
import { looseObjectId } from '../../../src/git/loose-object.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';

test('a question that could not be written once is written by the next try', async () => {
  const repo = { ...(await bareBridge()), ownIds: 'sha1' as const };
  const reader = openObjectReader(repo);
  onCleanup(() => reader.close());
  const bytes = Buffer.from('2+2');
  const blob = looseObjectId({ type: 'blob', content: bytes }, 'sha1');
  const draft = { file: 'task.txt', bytes, question: '2+2', task: { prompt: '2+2' } } as const;
  const submission = taskSubmission(draft, () => ({ nowMs: Date.now(), ttlMs: 1000 }));
  const parent = await repo.git(['rev-parse', 'main']);
  const compose = () => submission.compose({ repo, reader, requireFile: async () => {} }, parent);

  const folder = join(repo.gitDir, 'objects', blob.slice(0, 2));
  await rm(folder, { recursive: true, force: true });
  await writeFile(folder, 'in the way');
  const first = await compose();
  await expect('written' in first && first.written).rejects.toThrow();
  await rm(folder);
  const second = await compose();
  expect(second).toMatchObject({ blob });
  await ('written' in second && second.written);
  expect(await repo.git(['cat-file', 'blob', blob])).toBe('2+2');
});
