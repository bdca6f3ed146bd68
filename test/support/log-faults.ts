import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { readBridgeSettings } from '../../src/bridge/bridge-settings.js';
import { type ObjectReader, openObjectReader } from '../../src/git/object-reader.js';
import type { Repository } from '../../src/git/run-git.js';
import { type IngestOptions, ingest } from '../../src/log/ingest.js';
import { rebuildLog } from '../../src/log/rebuild-log.js';
import { DISK } from '../../src/process/durable-file.js';
import { makeGroupFolder } from '../../src/process/group-files.js';
import { FAULTS, type Fault, faultyFileSystem } from './faulty-file-system.js';
import { gitOk } from './git.js';
import { writeMany } from './message-writer.js';
import { onCleanup } from './on-cleanup.js';
import { startPlainBridge } from './plain-bridge.js';

const now = () => Date.UTC(2026, 0, 2, 3, 4, 5);
let repo: Repository;
/** The folder of the log, and what stands in it before and after. */
let folder: string;
let log: string;
let whole: string;
let lines: string[];
/** What an ingest is given, so that it starts as few processes as it can. */
let given: Pick<IngestOptions, 'now' | 'reader' | 'settings'>;

async function makeHistory(): Promise<void> {
  const bridge = await startPlainBridge({ hooks: 'here' });
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
  const reader: ObjectReader = openObjectReader(repo);
  onCleanup(() => reader.close());
  given = { now, reader, settings: readBridgeSettings(repo) };
  await ingest(repo, given);
  whole = await readFile(log, 'utf8');
  lines = whole.split(/(?<=\n)/);
  expect(lines).toHaveLength(4);
}

let isLocked = false;

/** What lockLog does, without the process for the kernel's lock. One that was not released is held. */
async function lockHere(fs = DISK): Promise<() => Promise<void>> {
  await makeGroupFolder(folder, fs);
  if (isLocked) throw new Error('the run before did not release the lock');
  isLocked = true;
  return async () => {
    isLocked = false;
  };
}

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

const REBUILT: Start = {
  title: 'a damaged log and a rotated one',
  async prepare() {
    await writeFile(`${log}.1`, part(0, 2));
    await writeFile(log, `${part(2, 3)}garbage\n`);
  },
  before: () => [],
  expected: () => whole,
};

/** Which of a job's calls fail in turn with a fault, by their names as faultyFileSystem gives them. */
type Choose = (calls: readonly string[], fault: Fault) => readonly string[];

/** Every call, with every fault: for the slow tests. */
export const everyCall: Choose = (calls) => calls;

/** The calls that write the log, and those that make sure of it. */
const MATTERS = /^(?:(?:write|truncate|open|sync|link|rename) \S*\/answers\.log|sync \S*\/(?:bridge|heads) )/;

/**
 * Of each kind of call: of what matters one with every fault, the first or the last in turn, and of the
 * writes both; one of the others, with one error and one death, so that each kind fails in both ways. The
 * folders of loose objects are of one kind.
 */
export const oneOfEachKind: Choose = (calls, fault) => {
  const kindOf = (call: string) =>
    call.replace(/ [0-9]+$/, '').replace(/\/objects\/[0-9a-f]{2}$/, '/objects/xx');
  const kinds = [...new Set(calls.map(kindOf))];
  return kinds.flatMap((kind, at) => {
    const ofKind = calls.filter((call) => kindOf(call) === kind);
    const ends = [...new Set([ofKind[0] ?? '', ofKind.at(-1) ?? ''])];
    if (ends.some((call) => MATTERS.test(call))) {
      return isWrite(kind) ? ends : [ends[(at + FAULTS.indexOf(fault)) % ends.length] ?? ''];
    }
    const fails = fault === ERRORS[at % ERRORS.length] || fault === DEATHS[at % DEATHS.length];
    return fails ? [ends[at % ends.length] ?? ''] : [];
  });
};
const ERRORS = FAULTS.filter((fault) => fault.startsWith('E'));
const DEATHS = FAULTS.filter((fault) => fault.startsWith('dies'));

/** Only of a write can half be done: of any other call these are a success, and a death before the call. */
const HALF_DONE: readonly Fault[] = ['short', 'half-then-dies'];
const isWrite = (call: string) => call.startsWith('write ');

async function startFrom(start: Start): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith('answers')) await rm(join(folder, name));
  await start.prepare();
}

/** Runs `job` with each of the chosen calls failing in turn; answers which calls those were. */
async function failEach(
  start: Start,
  { fault, choose }: { readonly fault: Fault; readonly choose: Choose },
  job: (fs: ReturnType<typeof faultyFileSystem>['fs']) => Promise<unknown>,
  after: (hit: string) => Promise<void>,
): Promise<string[]> {
  await startFrom(start);
  const untouched = faultyFileSystem(null, fault);
  await job(untouched.fs);
  const hits: string[] = [];
  const calls = untouched.calls.filter((call) => isWrite(call) || !HALF_DONE.includes(fault));
  for (const call of choose(calls, fault)) {
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

/** Registers the tests: an ingest and a rebuild, from each start, of which the chosen calls fail. */
export function testLogFaults(choose: Choose): void {
  beforeAll(makeHistory);

  describe.each(starts)('from $title', (start) => {
    test.each(FAULTS)('an ingest whose n-th call ends with %s is made up for by the next', async (fault) => {
      const hits = await failEach(
        start,
        { fault, choose },
        (fs) => ingest(repo, { ...given, fs, lock: lockHere(fs) }),
        async (what) => {
          // What a failed write or sync may have lost must not stand there as if it were written.
          if (fault.startsWith('E'))
            expect(start.before(), what).toContain(await readFile(log, 'utf8').catch(() => ''));
          if (fault === 'short') expect(await readFile(log, 'utf8'), what).toBe(start.expected());
          await ingest(repo, { ...given, lock: lockHere() });
          expect(await readFile(log, 'utf8'), what).toBe(start.expected());
        },
      );
      // It is a test only where it came to what matters.
      expect(hits.filter((hit) => hit === 'write answers.log').length).toBeGreaterThanOrEqual(2);
      if (!HALF_DONE.includes(fault)) {
        expect(hits).toContain('sync answers.log');
        expect(hits).toContain('open answers.log');
        expect(hits).toContain('sync heads');
        expect(hits).toContain('sync bridge');
      }
      if (start.title.includes('torn')) expect(hits).toContain('write answers.log.torn');
    });
  });

  test.each(FAULTS)(
    'a rebuild whose n-th call ends with %s leaves a log that the next makes whole',
    async (fault) => {
      // Each rebuild puts aside under a name of its own time.
      let runs = 0;
      const later = () => now() + runs * 1000;
      const withoutTimes = (text: string) => text.replaceAll(/"ingested_at":"[^"]*"/g, '');
      const hits = await failEach(
        REBUILT,
        { fault, choose },
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
      if (HALF_DONE.includes(fault)) return;
      expect(hits).toContain('link answers.log');
      expect(hits).toContain('rename answers.log.new');
      expect(hits).toContain('rename answers.log.1');
    },
  );
}
