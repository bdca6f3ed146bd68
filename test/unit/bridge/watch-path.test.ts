import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { watchPath } from '../../../src/bridge/watch-path.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

/** A watched file, and what it held when a change was last told. */
async function startWatch(): Promise<{ file: string; seen: () => string }> {
  const file = path.join(await tempDir(), 'task.txt');
  await writeFile(file, 'start');
  let seen = '';
  let looks = Promise.resolve();
  const look = () => {
    looks = looks.then(async () => {
      seen = await readFile(file, 'utf8').catch(() => seen);
    });
  };
  await new Promise<void>((ready, error) => {
    const watcher = watchPath(file, { change: look, ready, error });
    onCleanup(() => watcher.close());
  });
  return { file, seen: () => seen };
}

// Each round is another moment of whatever the watcher does after the rename.
test.each([0, 5, 20, 60, 110])(
  'what is written %i ms after the file was replaced by a rename is not missed',
  async (pauseMs) => {
    const { file, seen } = await startWatch();
    for (let round = 0; round < 3; round++) {
      await writeFile(`${file}.tmp`, `renamed ${round}`);
      await rename(`${file}.tmp`, file);
      await sleep(pauseMs);
      await appendFile(file, ' and more');
      await waitUntil(() => seen() === `renamed ${round} and more`, 'the last change to be told', 5000);
    }
  },
);

test('of many renames in a row the last is told', async () => {
  const { file, seen } = await startWatch();
  for (let at = 0; at < 30; at++) {
    await writeFile(`${file}.tmp`, String(at));
    await rename(`${file}.tmp`, file);
  }
  await waitUntil(() => seen() === '29', 'the last to be told', 5000);
});

test('a rename right behind another change does not make it deaf', async () => {
  // Without the watch on the folder two of three rounds fail here.
  for (let round = 0; round < 5; round++) {
    const { file, seen } = await startWatch();
    await appendFile(file, '.');
    await writeFile(`${file}.tmp`, 'renamed');
    await rename(`${file}.tmp`, file);
    await waitUntil(() => seen() === 'renamed', 'the rename to be told', 5000);
    // By now whatever is told twice has been told; only what still listens can tell this.
    await sleep(150);
    await appendFile(file, ' and more');
    await waitUntil(() => seen() === 'renamed and more', 'the change after it to be told', 5000);
  }
});
