import { expect, test } from 'vitest';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';

const BY = { name: 'bot', atMs: 1_700_000_000_999 };

test('a commit sets its one file and leaves all else as it was, and no ref moves', async () => {
  const repo = await bareBridge();
  const reader = openObjectReader(repo);
  onCleanup(() => reader.close());
  const main = await repo.git(['rev-parse', 'main']);
  const readme = await writeBlob(repo, Buffer.from('read me\r\n'));
  const first = await writeFileCommit(repo, reader, {
    parent: main,
    file: 'README',
    blob: readme,
    message: 'a\n',
    by: BY,
  });
  const bytes = Buffer.from([0, 255, 13, 10]);
  const blob = await writeBlob(repo, bytes);
  const message = 'ask 1: привет\n\nTask-Hash: x\n';
  const second = await writeFileCommit(repo, reader, {
    parent: first,
    file: 'inbox.json',
    blob,
    message,
    by: BY,
  });
  expect(await repo.git(['ls-tree', second])).toBe(
    `100644 blob ${readme}\tREADME\n100644 blob ${blob}\tinbox.json`,
  );
  expect(await repo.git(['log', '-1', '--format=%P|%an|%ae|%at|%cn|%ct|%B', second])).toBe(
    `${first}|bot|bot@llm-bridge.invalid|1700000000|bot|1700000000|${message}`,
  );
  expect((await reader.read(blob))?.content).toEqual(bytes);
  expect(await repo.git(['rev-parse', 'main'])).toBe(main);
  await repo.git(['fsck', '--strict']);
});

test('a parent that is not there is an error with a remedy', async () => {
  const repo = await bareBridge();
  const reader = openObjectReader(repo);
  onCleanup(() => reader.close());
  const commit = { parent: '1'.repeat(40), file: 'task.txt', blob: '2'.repeat(40), message: 'm', by: BY };
  await expect(writeFileCommit(repo, reader, commit)).rejects.toMatchObject({ code: 'missing-object' });
});
