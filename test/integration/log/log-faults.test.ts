import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Repository } from '../../../src/git/run-git.js';
import { ingest } from '../../../src/log/ingest.js';
import { rebuildLog } from '../../../src/log/rebuild-log.js';
import { FAULTS, faultyFileSystem } from '../../support/faulty-file-system.js';
import { gitOk } from '../../support/git.js';
import { writeMany } from '../../support/message-writer.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

const now = () => Date.UTC(2026, 0, 2, 3, 4, 5);
let repo: Repository;
/** The folder of the log, and what stands in it before and after. */
let folder: string;
let log: string;
let whole: string;
let lines: string[];

beforeAll(async () => {
  const bridge = await startPlainBridge();
  repo = { gitDir: bridge.repoPath, env: bridge.env };
  const at = { gitDir: bridge.repoPath, env: bridge.env };
  const texts = ['one', 'д'.repeat(40_000), 'three', 'four'];
  const ids = await writeMany(
    { gitDir: bridge.repoPath, env: bridge.env },
    await bridge.tip(),
    4,
    (n) => texts[n] ?? '',
  );
  await gitOk(['update-ref', 'refs/heads/main', ids.at(-1) ?? ''], at);
  // Packed, so that there are few folders to sync and each run is short.
  await gitOk(['repack', '-adq'], at);
  await gitOk(['prune-packed'], at);
  folder = join(bridge.repoPath, 'bridge');
  log = join(folder, 'answers.log');
  await ingest(repo, { now });
  whole = await readFile(log, 'utf8');
  lines = whole.split(/(?<=\n)/);
  expect(lines).toHaveLength(4);
});

/** How the folder looks when the run that fails begins. */
interface Start {
  readonly title: string;
  prepare(): Promise<void>;
  /** What may stand in the log when a run has failed and could still clean up. */
  readonly before: () => string[];
  /** The log that all runs have to end at; it may stand in several files. */
  readonly expected: () => string;
}
const part = (from: number, to: number) => lines.slice(from, to).join('');
const starts: readonly Start[] = [
  { title: 'no log', prepare: async () => {}, before: () => [''], expected: () => whole },
  {
    title: 'a log that is behind',
    prepare: () => writeFile(log, part(0, 1)),
    before: () => [part(0, 1)],
    expected: () => whole,
  },
  {
    title: 'a log with a torn last line',
    prepare: () => writeFile(log, `${part(0, 2)}${part(2, 3).slice(0, 20)}`),
    before: () => [part(0, 2), `${part(0, 2)}${part(2, 3).slice(0, 20)}`],
    expected: () => whole,
  },
  {
    title: 'a log that was rotated away, in part compressed',
    async prepare() {
      await writeFile(`${log}.2.gz`, gzipSync(part(0, 1)));
      await writeFile(`${log}.1`, part(1, 2));
      await writeFile(log, '');
    },
    before: () => [''],
    expected: () => part(2, 4),
  },
];

async function startFrom(start: Start): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith('answers')) await rm(join(folder, name));
  await start.prepare();
}

/** Runs `job` with each of its calls failing in turn; answers which calls those were. */
async function failEach(
  start: Start,
  fault: (typeof FAULTS)[number],
  job: (fs: ReturnType<typeof faultyFileSystem>['fs']) => Promise<unknown>,
  after: (hit: string) => Promise<void>,
): Promise<string[]> {
  await startFrom(start);
  const untouched = faultyFileSystem(null, fault);
  await job(untouched.fs);
  const hits: string[] = [];
  for (const call of untouched.calls) {
    await startFrom(start);
    const disk = faultyFileSystem(call, fault);
    const error = await job(disk.fs).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    await disk.close();
    expect(disk.hit(), call).toBe(true);
    hits.push(call.replace(/\S*\//, '').replace(/ [0-9]+$/, ''));
    // A folder whose mode cannot be read and the like may be done without; a death never is.
    if (fault.includes('dies')) expect(error, call).not.toBeNull();
    if (fault === 'short') expect(error, call).toBeNull();
    await after(`${fault} at ${call}`);
  }
  return hits;
}

describe.each(starts)('from $title', (start) => {
  test.each(FAULTS)('an ingest whose n-th call ends with %s is made up for by the next', async (fault) => {
    const hits = await failEach(
      start,
      fault,
      (fs) => ingest(repo, { now, fs }),
      async (what) => {
        // What a failed write or sync may have lost must not stand there as if it were written.
        if (fault.startsWith('E'))
          expect(start.before(), what).toContain(await readFile(log, 'utf8').catch(() => ''));
        if (fault === 'short') expect(await readFile(log, 'utf8'), what).toBe(start.expected());
        await ingest(repo, { now });
        expect(await readFile(log, 'utf8'), what).toBe(start.expected());
      },
    );
    // It is a test only where it came to what matters.
    expect(hits.filter((hit) => hit === 'write answers.log').length).toBeGreaterThanOrEqual(2);
    expect(hits).toContain('sync answers.log');
    expect(hits).toContain('open answers.log');
    expect(hits).toContain('sync heads');
    expect(hits).toContain('sync bridge');
    if (start.title.includes('torn')) expect(hits).toContain('write answers.log.torn');
  });
});

const REBUILT: Start = {
  title: 'a damaged log and a rotated one',
  async prepare() {
    await writeFile(`${log}.1`, part(0, 2));
    await writeFile(log, `${part(2, 3)}garbage\n`);
  },
  before: () => [],
  expected: () => whole,
};

test.each(FAULTS)(
  'a rebuild whose n-th call ends with %s leaves a log that the next makes whole',
  async (fault) => {
    // Each rebuild puts aside under a name of its own time.
    let runs = 0;
    const later = () => now() + runs * 1000;
    const withoutTimes = (text: string) => text.replaceAll(/"ingested_at":"[^"]*"/g, '');
    const hits = await failEach(
      REBUILT,
      fault,
      (fs) => {
        runs += 1;
        return rebuildLog(repo, { now: later, fs });
      },
      async (what) => {
        // At every instant the log is the old one or the new one, never less.
        const between = await readFile(log, 'utf8');
        const isNew = between.split('\n').length === 5;
        expect(isNew || between === `${part(2, 3)}garbage\n`, what).toBe(true);

        runs += 1;
        await rebuildLog(repo, { now: later });
        const rebuilt = await readFile(log, 'utf8');
        expect(withoutTimes(rebuilt), what).toBe(withoutTimes(whole));
        expect(rebuilt.startsWith(part(0, 3)), `${what}: the times are kept`).toBe(true);
        const rotated = (await readdir(folder)).filter((name) => /^answers\.log\.\d$/.test(name));
        expect(rotated, what).toEqual([]);
      },
    );
    expect(hits).toContain('write answers.log.new');
    expect(hits).toContain('link answers.log');
    expect(hits).toContain('rename answers.log.new');
    expect(hits).toContain('rename answers.log.1');
  },
);
