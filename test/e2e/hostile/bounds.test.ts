import { randomBytes } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { replaceTreeFile } from '../../../src/git/git-objects.js';
import { DEFAULT_MAX_TASK_BYTES } from '../../../src/protocol/limits.js';
import { gitOk } from '../../support/git.js';
import { rawObject, rawTree } from '../../support/hostile/git-objects.js';
import { type HostileBridge, startHostileBridge } from '../../support/hostile/hostile-bridge.js';
import { hugeBlob, type PackEntry, repeatDelta } from '../../support/hostile/pack-writer.js';
import { pktLine } from '../../support/hostile/pkt-line.js';
import { openRawClient } from '../../support/hostile/raw-client.js';
import {
  buildCommit,
  type CommitParts,
  pushBytes,
  type RawPush,
  rawPush,
} from '../../support/hostile/raw-push.js';
import { refused } from '../../support/hostile/refused-case.js';
import { serverProcesses, watchCost } from '../../support/hostile/server-state.js';
import { rowsToTry } from '../../support/rows-to-try.js';
import { waitUntil } from '../../support/wait-until.js';

// SECURITY.md: P4, P5

/** What an attack may cost the server: memory of all its processes together, and their processor time. */
const MAX_BYTES = 100_000_000;
const MAX_CPU_MS = 10_000;

/** The largest message, as init sets it. */
const LARGEST = DEFAULT_MAX_TASK_BYTES;

let bridge: HostileBridge;
const measured: string[] = [];

beforeAll(async () => {
  bridge = await startHostileBridge();
});

afterAll(async () => {
  // The numbers are for a report; they are asserted where they are taken.
  const file = process.env.HOSTILE_MEASURES;
  if (file !== undefined) await appendFile(file, `${measured.join('\n')}\n`);
});

describe('costs the server less than 100 MB and 10 s of processor time, and is refused', () => {
  const TOLD = /\[(limit|shape)\]|unpack|fatal|error/;
  const cases: readonly (readonly [string, RegExp, () => RawPush])[] = [
    // Git reads 40 MB well within its three seconds of processor time, so the hook refuses. At 400 MB it
    // depends on the machine which of the two bounds is met first.
    [
      'a blob of 40 MB of zeros in the place of the answer',
      /\[limit\]: home-pc, refs\/heads\/main: commit [0-9a-f]{8}: inbox\.json is larger/,
      () => hugeAnswer(40 * 1024 * 1024),
    ],
    ['a blob of 400 MB of zeros in the place of the answer', TOLD, () => hugeAnswer(400 * 1024 * 1024)],
    [
      'a blob of 40 MB of zeros beside the answer',
      /\[shape\]/,
      () => withExtra([hugeBlob(40 * 1024 * 1024).entry]),
    ],
    [
      'a blob of 400 MB of zeros beside the answer',
      TOLD,
      () => withExtra([hugeBlob(400 * 1024 * 1024).entry]),
    ],
    [
      'a tree of 300 MB',
      TOLD,
      () => {
        const size = 300 * 1024 * 1024;
        const tree = hugeTree(size);
        return withExtra([tree]);
      },
    ],
    [
      'a delta of a few kilobytes that makes a gigabyte',
      TOLD,
      () => {
        const base = rawObject('blob', Buffer.alloc(65_536, 0x61));
        return withExtra([base, { baseId: base.id, delta: repeatDelta(65_536, 65_535, 16_384) }]);
      },
    ],
    [
      'two hundred deltas that make eleven megabytes each',
      TOLD,
      () => {
        const base = rawObject('blob', Buffer.alloc(65_536, 0x61));
        const deltas = Array.from({ length: 200 }, (_, n) => ({
          baseId: base.id,
          delta: repeatDelta(65_536, 65_000 - n, 180),
        }));
        return withExtra([base, ...deltas]);
      },
    ],
    [
      'a tree of trees, ten thousand million files of it',
      /\[shape\]/,
      () => {
        const blob = rawObject('blob', 'x');
        const entries: PackEntry[] = [blob];
        let id = blob.id;
        for (let level = 0; level < 10; level += 1) {
          const mode = level === 0 ? '100644' : '40000';
          const tree = rawTree(Array.from({ length: 10 }, (_, n) => ({ mode, name: `f${n}`, id })));
          entries.push(tree);
          id = tree.id;
        }
        const top = Buffer.concat([bridge.tipTree, Buffer.from(`40000 zz\0`), Buffer.from(id, 'hex')]);
        const built = buildCommit(bridge, { tree: () => rawObject('tree', top) });
        return { commands: [built.command], entries: [...built.objects, ...entries] };
      },
    ],
    [
      'a commit of 30 MB',
      TOLD,
      () => {
        const built = buildCommit(bridge, { message: 'x'.repeat(30_000_000) });
        return { commands: [built.command], entries: built.objects };
      },
    ],
    [
      'a hundred and ninety thousand blobs',
      TOLD,
      () => withExtra(Array.from({ length: 190_000 }, (_, n) => rawObject('blob', String(n)))),
    ],
    [
      'a pack that says it has four thousand million objects',
      TOLD,
      () => ({ ...withExtra(), frame: { count: 0xffffffff } }),
    ],
  ];
  // One for each thing that can be made too large.
  const kindOf = (what: string) => /blob|tree|delta|commit|pack/.exec(what)?.[0] ?? what;
  for (const [what, told, push] of rowsToTry(cases, ([what]) => kindOf(what))) {
    test(what, async () => {
      const attack = push();
      const bytes = pushBytes(attack);
      const { fixture } = bridge;
      await refused(
        bridge,
        'home-pc',
        async () => {
          const cost = watchCost(fixture.repoPath, 'home-pc');
          const client = openRawClient(
            fixture,
            fixture.principal('home-pc'),
            `git-receive-pack '${fixture.repoPath}'`,
          );
          await client.advertisement();
          client.send(bytes);
          client.end();
          const { text } = await client.closed;
          const { bytes: peak, cpuMs, list } = await cost.stop();
          const why = /(?:llm-bridge refused|fatal:|error:)[^\n]*/.exec(text)?.[0];
          measured.push(`${what}: ${cpuMs} ms, ${(peak / 1e6).toFixed(0)} MB (${list}): ${why}`);
          expect(cpuMs, list).toBeLessThan(MAX_CPU_MS);
          expect(peak, list).toBeLessThan(MAX_BYTES);
          return text;
        },
        told,
      );
    });
  }
});

describe('a message of the largest size costs the server a small multiple of it', () => {
  const filled = (one: string, before: string, after: string) =>
    before + one.repeat((LARGEST - before.length - after.length) / one.length) + after;
  const task = (payload: string) => ({ who: 'bot', file: 'task.json', payload });
  const REFUSED = /\[payload\]: bot, .* task\.json has more than 250000 objects/;
  // Judged to its end: the field that nobody knows is seen last.
  const JUDGED = /\[payload\]: bot, .* task\.json .*"zz"/;
  const cases: readonly (readonly [string, RegExp, () => CommitParts])[] = [
    [
      'objects, three million',
      REFUSED,
      () => task(filled('{},', '{"prompt":"x","format":{"enum":[', '{}]}}')),
    ],
    ['texts, two million', REFUSED, () => task(filled('"",', '{"prompt":"x","format":{"enum":[', '""]}}'))],
    [
      'numbers, four million',
      JUDGED,
      () =>
        task(filled('1,', '{"id":"a","request":{"path":"/v1/embeddings","body":{"input":[', '1]}},"zz":1}')),
    ],
    ['noise', JUDGED, () => task(`{"prompt":"${randomBytes(0.74 * LARGEST).toString('base64')}","zz":1}`)],
  ];
  // What JSON is made of costs memory; what it says costs time.
  for (const [what, told, parts] of rowsToTry(cases, ([, pattern]) => String(pattern))) {
    test(what, async () => {
      const { fixture } = bridge;
      const built = buildCommit(bridge, { ...parts(), message: 'ask: 1\n' });
      await refused(
        bridge,
        'bot',
        async () => {
          const cost = watchCost(fixture.repoPath, 'bot');
          const { text } = await rawPush(bridge, {
            who: 'bot',
            commands: [built.command],
            entries: built.objects,
          });
          const { bytes: peak, cpuMs, list } = await cost.stop();
          measured.push(`${what}: ${cpuMs} ms, ${(peak / 1e6).toFixed(0)} MB (${list})`);
          expect(cpuMs, list).toBeLessThan(MAX_CPU_MS);
          expect(peak, list).toBeLessThan(MAX_BYTES + 16 * LARGEST);
          return text;
        },
        told,
      );
    });
  }
});

function withExtra(extra: readonly PackEntry[] = []): RawPush {
  const built = buildCommit(bridge);
  return { commands: [built.command], entries: [...built.objects, ...extra] };
}

function hugeAnswer(size: number): RawPush {
  const huge = hugeBlob(size);
  const tree = rawObject('tree', replaceTreeFile(bridge.tipTree, 'inbox.json', huge.id));
  const built = buildCommit(bridge, { tree: () => tree });
  return { commands: [built.command], entries: [built.commit, built.tree, huge.entry] };
}

/** A tree of so many bytes that compresses well: the same long name again and again. */
function hugeTree(size: number): PackEntry {
  const entry = Buffer.concat([Buffer.from(`100644 ${'n'.repeat(1000)}\0`), Buffer.alloc(20, 1)]);
  const bytes = Buffer.alloc(size - (size % entry.length), entry);
  return rawObject('tree', bytes);
}

describe('a client that hangs is let go', () => {
  const settle = async (seconds: string) => {
    const at = { gitDir: bridge.fixture.repoPath, env: bridge.fixture.ownerEnv };
    await gitOk(['config', 'bridge.receiveTimeout', seconds], at);
  };
  const open = () => {
    const { fixture } = bridge;
    return openRawClient(fixture, fixture.principal('home-pc'), `git-receive-pack '${fixture.repoPath}'`);
  };
  const phases: readonly (readonly [string, () => Buffer])[] = [
    ['before it says anything', () => Buffer.alloc(0)],
    ['in the middle of a length', () => Buffer.from('00')],
    ['in the middle of a command', () => Buffer.from(`00b0${'0'.repeat(40)}`)],
    ['before the flush', () => pktLine(`${bridge.tip} ${bridge.root} refs/heads/main\0 report-status`)],
    [
      'in the middle of the pack',
      () => {
        const built = buildCommit(bridge);
        const bytes = pushBytes({ commands: [built.command], entries: built.objects });
        return bytes.subarray(0, bytes.length - 50);
      },
    ],
  ];
  for (const [phase, bytes] of phases) {
    test(phase, async () => {
      await settle('1');
      await refused(bridge, 'home-pc', async () => {
        const client = open();
        await client.advertisement();
        const startedAt = performance.now();
        client.send(bytes());
        await client.closed;
        expect(performance.now() - startedAt).toBeLessThan(9_000);
        return '';
      });
    });

    test(`${phase}, and its connection is cut`, async () => {
      await settle('300');
      await refused(bridge, 'home-pc', async () => {
        const client = open();
        await client.advertisement();
        client.send(bytes());
        client.kill();
        await client.closed;
        return '';
      });
    });
  }
});

test('pushes that are opened and hang have one process standing by between them, and not for long', async () => {
  const { fixture } = bridge;
  await refused(bridge, 'home-pc', async () => {
    const opened = Array.from({ length: 3 }, () =>
      openRawClient(fixture, fixture.principal('home-pc'), `git-receive-pack '${fixture.repoPath}'`),
    );
    for (const client of opened) await client.advertisement();
    const status = async () =>
      serverProcesses(fixture.repoPath, 'home-pc').filter(({ command }) =>
        /^\S*node .*standby\.cjs/.test(command),
      ).length;
    await waitUntil(async () => {
      const count = await status();
      expect(count).toBeLessThan(2);
      return count === 0;
    }, 'nobody stands by any more');
    for (const client of opened) client.kill();
    for (const client of opened) await client.closed;
    return '';
  });
});

test('and the honest answer still goes through', async () => {
  const built = buildCommit(bridge);
  const result = await rawPush(bridge, { commands: [built.command], entries: built.objects });

  expect(result.text).toContain('ok refs/heads/main');
});
