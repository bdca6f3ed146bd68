import { EventEmitter } from 'node:events';
import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { appendFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type WatchPathOptions, watchPath } from '../../../src/bridge/watch-path.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

/** A watched file, and what it held when a change was last told. */
async function startWatch(
  options: WatchPathOptions = {},
  name = 'task.txt',
): Promise<{ file: string; folder: string; seen: () => string; told: () => number }> {
  const folder = await tempDir();
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, 'start');
  let told = 0;
  let seen = '';
  let looks = Promise.resolve();
  const look = () => {
    told += 1;
    looks = looks.then(async () => {
      seen = await readFile(file, 'utf8').catch(() => seen);
    });
  };
  await new Promise<void>((ready) => {
    const watcher = watchPath(file, { change: look, ready }, options);
    onCleanup(() => watcher.close());
  });
  return { file, folder, seen: () => seen, told: () => told };
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
  // A watch of the file itself is deaf after some of these rounds.
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

/** Fast enough for a test, and slow enough that an event is told long before it. */
const POLL_MS = 50;

/** A watch that never says anything: a share without events. */
const silent = () => Object.assign(new EventEmitter(), { close: () => {} }) as unknown as FSWatcher;

/** A system whose watches are used up. */
const usedUp = () => {
  throw Object.assign(new Error('watch ENOSPC'), { code: 'ENOSPC' });
};

/** A watch that breaks at once, as that of a folder on Windows does that is removed. */
const breaking = () => {
  const watcher = silent();
  setImmediate(() => watcher.emit('error', new Error('watch EPERM')));
  return watcher;
};

test.each([
  ['a share without events', silent],
  ['a system without a watch to spare', usedUp],
  ['a watch that breaks', breaking],
])('%s: a write, a rename, a removal and a return are found all the same', async (_name, open) => {
  const { file, seen } = await startWatch({ pollMs: POLL_MS, watchFolder: open });
  await writeFile(file, 'written');
  await waitUntil(() => seen() === 'written', 'the write to be told', 5000);
  await writeFile(`${file}.tmp`, 'renamed');
  await rename(`${file}.tmp`, file);
  await waitUntil(() => seen() === 'renamed', 'the rename to be told', 5000);
  await rm(file);
  await sleep(2 * POLL_MS);
  await writeFile(file, 'back');
  await waitUntil(() => seen() === 'back', 'the return to be told', 5000);
});

/** What is done to the folder of a watched file. */
const EXCHANGES: Record<string, (folder: string) => Promise<void>> = {
  'is removed and made again at once': async (folder) => {
    await rm(folder, { recursive: true });
    await mkdir(folder);
  },
  'is removed, and made again later': async (folder) => {
    await rm(folder, { recursive: true });
    await sleep(3 * POLL_MS);
    await mkdir(folder);
  },
  'is replaced by a rename': async (folder) => {
    await mkdir(`${folder}.new`);
    await rename(folder, `${folder}.old`);
    await rename(`${folder}.new`, folder);
  },
  'goes with the folder above it': async (folder) => {
    await rm(path.dirname(folder), { recursive: true });
    await mkdir(folder, { recursive: true });
  },
};

test.each(Object.keys(EXCHANGES))('a folder that %s is watched again', async (name) => {
  const { file, seen } = await startWatch({ pollMs: POLL_MS }, 'above/box/task.txt');
  await EXCHANGES[name]?.(path.dirname(file));
  await writeFile(file, 'first');
  await waitUntil(() => seen() === 'first', 'the first file in it to be told', 5000);
  await writeFile(file, 'second');
  await waitUntil(() => seen() === 'second', 'the second to be told', 5000);
});

test('after a folder was exchanged the events come from the new one', async () => {
  const opened: string[] = [];
  const events: string[] = [];
  const open: WatchPathOptions['watchFolder'] = (folder, onEvent) => {
    opened.push(folder);
    return watchFolder(folder, (event, name) => {
      events.push(String(name));
      onEvent(event, name);
    });
  };
  const { file, seen } = await startWatch({ pollMs: POLL_MS, watchFolder: open }, 'box/task.txt');
  await EXCHANGES['is replaced by a rename']?.(path.dirname(file));
  await waitUntil(() => opened.length === 2, 'the new folder to be watched', 5000);
  events.length = 0;
  await writeFile(file, 'heard');
  await waitUntil(
    () => events.includes('task.txt') && seen() === 'heard',
    'an event of the new folder',
    5000,
  );
});

/** Watches that say nothing, and how many of them were opened and closed. */
function countedWatches(): { opened: number; closed: number; open: () => FSWatcher } {
  const counted = {
    opened: 0,
    closed: 0,
    open: () => {
      counted.opened += 1;
      return Object.assign(silent(), { close: () => (counted.closed += 1) }) as unknown as FSWatcher;
    },
  };
  return counted;
}

test('where another folder comes to the same path, and the file is in neither, the new one is watched', async () => {
  const watches = countedWatches();
  const { file } = await startWatch({ pollMs: POLL_MS, watchFolder: watches.open }, 'box/task.txt');
  await rm(file);
  await waitUntil(() => watches.opened === 2, 'the removal to be found by the poll', 5000);
  await EXCHANGES['is replaced by a rename']?.(path.dirname(file));
  await waitUntil(() => watches.opened === 3, 'the new folder to be watched', 5000);
  expect(watches.closed).toBe(2);
});

test('a watch that did not tell of a change is closed, and another is opened in its place', async () => {
  const watches = countedWatches();
  const { file, seen } = await startWatch({ pollMs: POLL_MS, watchFolder: watches.open });
  expect(watches).toMatchObject({ opened: 1, closed: 0 });
  await appendFile(file, ', and more');
  await waitUntil(() => seen() === 'start, and more', 'the change to be found by the poll', 5000);
  await waitUntil(() => watches.opened === 2, 'another watch', 5000);
  expect(watches.closed).toBe(1);
});

test('a link is followed to the file it names, also after it names another', async () => {
  const { folder } = await startWatch();
  const [link, one, two] = ['link/task.txt', 'one/a.txt', 'two/b.txt'].map((name) => path.join(folder, name));
  for (const file of [link, one, two]) await mkdir(path.dirname(file ?? ''), { recursive: true });
  await writeFile(one ?? '', '1');
  await writeFile(two ?? '', '2');
  await symlink(one ?? '', link ?? '');
  let told = 0;
  await new Promise<void>((ready) => {
    const watcher = watchPath(link ?? '', { change: () => (told += 1), ready }, { pollMs: POLL_MS });
    onCleanup(() => watcher.close());
  });
  await appendFile(one ?? '', '.');
  await waitUntil(() => told > 0, 'the change of the target to be told', 5000);
  await symlink(two ?? '', `${link}.new`);
  await rename(`${link}.new`, link ?? '');
  await sleep(3 * POLL_MS);
  told = 0;
  await appendFile(two ?? '', '.');
  await waitUntil(() => told > 0, 'the change of the new target to be told', 5000);
});

test('a file that nobody touches is never told of, and one that closes tells nothing more', async () => {
  const { file, folder, told } = await startWatch({ pollMs: 5 });
  await writeFile(path.join(folder, 'other.txt'), 'x');
  await readFile(file);
  await sleep(100);
  expect(told()).toBe(0);
});
