import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { ingest } from '../../../src/log/ingest.js';
import { isRotatedName } from '../../../src/log/log-files.js';
import { DISK, type LogFileSystem } from '../../../src/process/durable-file.js';
import { logRecordSchema } from '../../../src/protocol/log-record.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { writeMany } from '../../support/message-writer.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { readCodeBlocks } from '../../support/read-markdown.js';
import { runProcess } from '../../support/run-process.js';
import { IS_FULL_LENGTH } from '../../support/test-length.js';

const now = () => Date.UTC(2026, 0, 2, 3, 4, 5);
const folderOf = (bridge: PlainBridge) => join(bridge.repoPath, 'bridge');
const logOf = (bridge: PlainBridge) => join(folderOf(bridge), 'answers.log');
const repoOf = (bridge: PlainBridge) => ({ gitDir: bridge.repoPath, env: bridge.env });

/**
 * Puts `count` answers on main with no hook run. After one of a single answer, the next must not begin with
 * the same question.
 */
async function answer(bridge: PlainBridge, count: number): Promise<void> {
  const ids = await writeMany(
    { gitDir: bridge.repoPath, env: bridge.env },
    await bridge.tip(),
    count,
    (n) => `answer ${n}`,
  );
  await gitOk(['update-ref', 'refs/heads/main', ids.at(-1) ?? ''], repoOf(bridge));
}

/** The numbers in the log and all that was rotated away, each file's apart, the oldest file first. */
async function numbers(bridge: PlainBridge): Promise<number[][]> {
  const names = (await readdir(folderOf(bridge))).filter((name) =>
    /^answers\.log(?![.](?:torn|new|old))/.test(name),
  );
  const files = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folderOf(bridge), name));
      const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
      const lines = text.split('\n').slice(0, -1);
      return lines.map((line) => logRecordSchema.parse(JSON.parse(line)).seq);
    }),
  );
  return files.filter((file) => file.length > 0).sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
}

const verify = (bridge: PlainBridge) =>
  runCliHere(['verify', '--repo', bridge.repoPath, '--json'], { env: bridge.env });

test.each([
  ['.1', (bytes: Buffer) => bytes],
  ['-20261122', (bytes: Buffer) => bytes],
  ['.1.gz', (bytes: Buffer) => gzipSync(bytes)],
  ['-20261122-1765432100.gz', (bytes: Buffer) => gzipSync(bytes)],
])('behind a log that was moved to answers.log%s the numbers go on', async (ending, pack) => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 3);
  await ingest(repoOf(bridge), { now });
  await writeFile(`${logOf(bridge)}${ending}`, pack(await readFile(logOf(bridge))));
  await rm(logOf(bridge));
  await answer(bridge, 2);

  expect(await ingest(repoOf(bridge), { now })).toMatchObject({ added: 2, lastSeq: 5 });

  expect(await numbers(bridge)).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(JSON.parse((await verify(bridge)).stdout)).toMatchObject({ ok: true, records: 5, first_seq: 1 });
});

test('the newest of many rotated files counts, whatever their names and times say', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 6);
  await ingest(repoOf(bridge), { now });
  const lines = (await bridge.readLog()).split(/(?<=\n)/);
  const log = logOf(bridge);
  await writeFile(`${log}-20260103`, lines.slice(4, 6).join(''));
  await writeFile(`${log}-20260104.gz`, gzipSync(lines.slice(2, 4).join('')));
  await writeFile(`${log}.1`, lines.slice(0, 2).join(''));
  await writeFile(log, '');

  expect(await ingest(repoOf(bridge), { now })).toMatchObject({ added: 0, lastSeq: 6 });

  await rm(`${log}-20260103`);
  expect(await ingest(repoOf(bridge), { now })).toMatchObject({ added: 2, lastSeq: 6 });
  expect(await numbers(bridge)).toEqual([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
});

test('where every file is gone, the log is history again, from number 1', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 3);
  await ingest(repoOf(bridge), { now });
  const before = await bridge.readLog();
  await rm(logOf(bridge));

  await ingest(repoOf(bridge), { now });

  expect(await bridge.readLog()).toBe(before);
  expect((await stat(logOf(bridge))).mode & 0o777).toBe(0o640);
});

test('where the oldest files were rotated out, verify says from where on the log is held', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 5);
  await ingest(repoOf(bridge), { now });
  const lines = (await bridge.readLog()).split(/(?<=\n)/);
  await writeFile(`${logOf(bridge)}.1`, lines.slice(2, 4).join(''));
  await writeFile(logOf(bridge), lines.slice(4).join(''));

  const { exitCode, stdout } = await runCliHere(['verify', '--repo', bridge.repoPath], { env: bridge.env });

  expect(exitCode).toBe(0);
  expect(stdout).toBe(
    '3 records in 2 files say what the 5 answers on main say; no. 1 to 2 stand in no file any more\n',
  );
});

test('a line torn before the rotation stays where it is, and its answer is logged whole in the new file', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 3);
  await ingest(repoOf(bridge), { now });
  const whole = await bridge.readLog();
  const lines = whole.split(/(?<=\n)/);
  await writeFile(`${logOf(bridge)}.1`, whole.slice(0, -10));
  await writeFile(logOf(bridge), '');

  expect(await ingest(repoOf(bridge), { now })).toMatchObject({ added: 1, lastSeq: 3 });

  expect(await bridge.readLog()).toBe(lines[2]);
  expect(JSON.parse((await verify(bridge)).stdout)).toMatchObject({ ok: true, records: 3 });
});

test.each([
  ['is no record', Buffer.from('{"seq":1}\ngarbage\n'), '.1', 'is not a record'],
  ['is damaged', gzipSync('{"seq":1}\n'.repeat(1000)).subarray(0, 40), '.1.gz', 'cannot be unpacked'],
])(
  'where the newest rotated file %s, nothing is written and the error names it',
  async (_what, bytes, ending, said) => {
    const bridge = await startPlainBridge({ hooks: 'here' });
    await answer(bridge, 1);
    await writeFile(`${logOf(bridge)}${ending}`, bytes);

    const { exitCode, stderr } = await runCliHere(['ingest', '--repo', bridge.repoPath], { env: bridge.env });

    expect(exitCode).toBe(1);
    expect(stderr).toContain(`answers.log${ending} ${said}`);
    expect(stderr).toMatch(/^try: .*--rebuild/m);
    expect(await bridge.readLog()).toBe('');
  },
);

test.each([
  ['renamed', false],
  ['renamed, compressed and removed', true],
])('a log that is %s while an ingest has it open loses no record', async (_what, isCompressed) => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 3);
  await ingest(repoOf(bridge), { now });
  await answer(bridge, 2);
  const log = logOf(bridge);
  let rotations = 0;
  // Right after the log is opened, and before the first record goes in.
  const fs: LogFileSystem = {
    ...DISK,
    async open(file, flags, mode) {
      const handle = await DISK.open(file, flags, mode);
      if (file === log && rotations === 0) {
        rotations += 1;
        await rename(log, `${log}.1`);
        if (isCompressed) {
          await writeFile(`${log}.1.gz`, gzipSync(await readFile(`${log}.1`)));
          await rm(`${log}.1`);
        }
      }
      return handle;
    },
  };

  expect(await ingest(repoOf(bridge), { now, fs })).toMatchObject({ added: 2, lastSeq: 5 });
  // What an ingest says it has logged is there when it says so.
  expect((await numbers(bridge)).flat()).toEqual([1, 2, 3, 4, 5]);
  await answer(bridge, 1);
  await ingest(repoOf(bridge), { now });

  expect(rotations).toBe(1);
  expect(await numbers(bridge)).toEqual(
    isCompressed
      ? [
          [1, 2, 3],
          [4, 5, 6],
        ]
      : [[1, 2, 3, 4, 5], [6]],
  );
  expect(JSON.parse((await verify(bridge)).stdout)).toMatchObject({ ok: true, records: 6 });
});

test('a rotation while the rotated files are looked through is seen, and they are looked through again', async () => {
  const bridge = await startPlainBridge({ hooks: 'here' });
  await answer(bridge, 4);
  await ingest(repoOf(bridge), { now });
  const lines = (await bridge.readLog()).split(/(?<=\n)/);
  const log = logOf(bridge);
  await writeFile(`${log}.1`, lines.slice(0, 4).join(''));
  await writeFile(log, '');
  let listed = 0;
  const fs: LogFileSystem = {
    ...DISK,
    async readdir(folder) {
      const names = await DISK.readdir(folder);
      if (folder !== folderOf(bridge)) return names;
      listed += 1;
      // Listed as .1, it is .2 and compressed when it is to be opened.
      if (listed === 1) {
        await writeFile(`${log}.2.gz`, gzipSync(await readFile(`${log}.1`)));
        await rm(`${log}.1`);
      }
      return names;
    },
  };

  expect(await ingest(repoOf(bridge), { now, fs })).toMatchObject({ added: 0, lastSeq: 4 });
  expect(listed).toBeGreaterThan(2);
});

test.each([
  [
    'answers.log',
    ['answers.log.1', 'answers.log.12.gz', 'answers.log-20261122', 'answers.log-2026-11-22_10:00.gz'],
  ],
  ['answers.log', ['answers-20261122.log', 'answers.1.log.gz', 'answers.log-2026112217.backup']],
  ['log', ['log.1', 'log-20261122.gz']],
])('names that logrotate gives to %s are known: %j', (log, names) => {
  for (const name of names) expect(isRotatedName(name, log), name).toBe(true);
});

test.each([
  'answers.log.torn',
  'answers.log.new',
  'answers.log.old-2026-11-22T17-02-27-301Z',
  'answers.log.1.old-2026-11-22T17-02-27-301Z',
  'answers-20261122.log.old-2026-11-22T17-02-27-301Z',
  'answers.log.bad',
  'answers.log~',
  'answers.log',
  'ingest.lock',
  'other.log.1',
])('%s is no rotated file', (name) => {
  expect(isRotatedName(name, 'answers.log')).toBe(false);
});

/**
 * logrotate of this machine, with the settings of docs/operating.md, which name the user bridge and a place
 * of their own.
 */
async function logrotate(bridge: PlainBridge, change = (text: string) => text): Promise<() => Promise<void>> {
  const page = await readFile(fileURLToPath(new URL('../../../docs/operating.md', import.meta.url)), 'utf8');
  const block = readCodeBlocks(page).find((one) => one.info === 'logrotate');
  if (block === undefined) throw new Error('the page has no block for logrotate');
  const user = (await runProcess('id', ['-un'], { env: bridge.env })).stdout.trim();
  const group = (await runProcess('id', ['-gn'], { env: bridge.env })).stdout.trim();
  const settings = change(
    block.text
      .replace('/srv/llm-bridge/bridge.git', bridge.repoPath)
      .replace('su bridge bridge', `su ${user} ${group}`),
  );
  expect(settings).toContain(`su ${user} ${group}`);
  const file = join(bridge.dir, 'logrotate.conf');
  await writeFile(file, settings);
  await chmod(file, 0o644);
  const path = `${bridge.env.PATH}:/usr/sbin:/sbin`;
  return async () => {
    const done = await runProcess('logrotate', ['--force', '--state', join(bridge.dir, 'state'), file], {
      env: { ...bridge.env, PATH: path },
    });
    expect(done, done.stderr).toMatchObject({ exitCode: 0, stderr: '' });
  };
}

const noLogrotate = process.platform !== 'linux';

test.skipIf(noLogrotate)(
  'logrotate with the settings that are documented breaks no number, five times over',
  async () => {
    const bridge = await startPlainBridge({ hooks: 'here' });
    const rotate = await logrotate(bridge);
    for (let round = 0; round < 5; round += 1) {
      await answer(bridge, 2);
      await ingest(repoOf(bridge), { now });
      await rotate();
    }
    await ingest(repoOf(bridge), { now });

    expect(await numbers(bridge)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
      [9, 10],
    ]);
    const names = await readdir(folderOf(bridge));
    expect(names).toEqual(expect.arrayContaining(['answers.log.1', 'answers.log.2.gz', 'answers.log.5.gz']));
    expect(JSON.parse((await verify(bridge)).stdout)).toMatchObject({ ok: true, records: 10 });
  },
);

test.skipIf(noLogrotate)(
  'logrotate run again and again beside ingests loses and repeats nothing',
  async () => {
    const bridge = await startPlainBridge({ hooks: 'here' });
    const rotate = await logrotate(bridge, (text) => text.replace(/rotate \d+/, 'rotate 1000'));
    await answer(bridge, 2);
    await ingest(repoOf(bridge), { now });
    const rounds = IS_FULL_LENGTH ? 12 : 6;
    let done = false;
    const rotating = (async () => {
      let count = 0;
      while (!done) {
        await rotate();
        count += 1;
      }
      return count;
    })();
    for (let round = 0; round < rounds; round += 1) {
      await answer(bridge, 20);
      const hook = spawn(join(bridge.repoPath, 'hooks', 'post-receive'), {
        cwd: bridge.repoPath,
        env: { ...bridge.env, GIT_DIR: '.' },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      hook.stdin?.end(`${'1'.repeat(40)} ${'2'.repeat(40)} refs/heads/main\n`);
      expect((await once(hook, 'exit'))[0]).toBe(0);
    }
    done = true;
    expect(await rotating).toBeGreaterThan(2);
    await ingest(repoOf(bridge), { now });

    expect((await numbers(bridge)).flat()).toEqual(Array.from({ length: 2 + rounds * 20 }, (_, n) => n + 1));
    expect(JSON.parse((await verify(bridge)).stdout)).toMatchObject({ ok: true, difference: null });
  },
);
