import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { idsInPack, type PackOptions } from '../../../src/git/read-pack.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitOk } from '../../support/git.js';
import { type RawObject, rawObject } from '../../support/hostile/git-objects.js';
import { copyDelta, type PackEntry, writePack } from '../../support/hostile/pack-writer.js';
import { tempDir } from '../../support/temp-dir.js';

/** A history of two commits, and packs of it as git itself sends them. */
interface History {
  readonly options: PackOptions;
  readonly all: readonly string[];
  /** What the second commit brought: each differs a little from what the first one has. */
  readonly second: readonly string[];
  pack(revs: string, ...options: string[]): Buffer;
}

async function makeHistory(format: string): Promise<History> {
  const dir = await tempDir();
  const env = cleanEnv(dir);
  const gitDir = `${dir}/x.git`;
  const at = { gitDir, env };
  await gitOk(['init', '--quiet', '--bare', `--object-format=${format}`, gitDir], { env });
  const run = async (args: string[], input = '') => (await gitOk(args, { ...at, input })).trim();
  const blob = (text: string) => run(['hash-object', '-w', '--stdin'], text);
  const other = await blob('something else');
  const commit = async (text: string, ...parents: string[]) => {
    const file = await blob(text);
    const rows = Array.from({ length: 20 }, (_, n) => `100644 blob ${other}\tfile${n}\n`);
    const tree = await run(['mktree'], `${rows.join('')}100644 blob ${file}\tz\n`);
    const id = await run(['commit-tree', tree, '-m', 'x', ...parents.flatMap((one) => ['-p', one])]);
    return [file, tree, id];
  };
  const text = randomBytes(6000).toString('base64');
  const first = await commit(text);
  const second = await commit(`${text.slice(0, 4000)}another middle${text.slice(4100)}`, first[2] ?? '');
  await run(['tag', 'first', first[2] ?? '']);
  await run(['tag', 'second', second[2] ?? '']);
  return {
    all: [other, ...first, ...second].sort(),
    second: second.sort(),
    pack: (revs, ...options) => {
      const args = ['--git-dir', gitDir, 'pack-objects', '--stdout', '--revs', '--quiet', ...options];
      return execFileSync('git', args, { env, input: revs });
    },
    options: {
      idBytes: format === 'sha1' ? 20 : 32,
      maxBytes: 1_000_000,
      base: async (id) => {
        const reader = openObjectReader({ gitDir, env });
        const object = await reader.read(id);
        reader.close();
        return object === null ? null : { type: object.info.type, content: object.content };
      },
    },
  };
}

const noBase = () => Promise.resolve(null);

describe.each(['sha1', 'sha256'])('a pack of git, of %s', (format) => {
  let history: History;
  const read = async (pack: Buffer, change: Partial<PackOptions> = {}) => {
    const ids = await idsInPack(pack, { ...history.options, ...change });
    return ids === null ? null : [...ids].sort();
  };
  const thin = () => history.pack('second\n^first\n', '--thin', '--delta-base-offset');

  beforeAll(async () => {
    history = await makeHistory(format);
  });

  test('has what git says, by deltas on places in it and on ids', async () => {
    const sizes = [['--delta-base-offset'], [], ['--window=0']].map((options) => {
      const pack = history.pack('second\n', ...options);
      return { pack, options };
    });
    for (const { pack, options } of sizes)
      expect(await read(pack, { base: noBase }), `${options}`).toEqual(history.all);
    // Without deltas it is larger, so there are some with them.
    expect(sizes[2]?.pack.length).toBeGreaterThan(sizes[0]?.pack.length ?? Number.POSITIVE_INFINITY);
  });

  test('has what it makes of other objects, where these may be used, and without them the rest', async () => {
    expect(await read(thin())).toEqual(history.second);
    const alone = await read(thin(), { base: noBase });
    expect(alone).toHaveLength(1);
    expect(history.second).toEqual(expect.arrayContaining(alone ?? []));
  });

  test('is none before its last byte is there, nor with a byte that is another', async () => {
    const pack = thin();
    for (let end = 0; end < pack.length; end += 1) expect(await read(pack.subarray(0, end))).toBeNull();
    for (let bit = 0; bit < 8 * pack.length; bit += 7) {
      const other = Buffer.from(pack);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // A count of fewer makes the hash that of something else; an object that is changed has another id.
      const ids = await read(other, { base: noBase });
      expect(ids === null || ids.length <= 1, `bit ${bit}`).toBe(true);
    }
  });

  test('is followed by whatever comes', async () => {
    expect(await read(Buffer.concat([thin(), Buffer.alloc(10_000, 0x41)]))).toEqual(history.second);
  });
});

describe('a pack that nobody honest sends', () => {
  const options: PackOptions = { idBytes: 20, maxBytes: 100_000, base: noBase };
  const one = rawObject('blob', 'one');
  const two = rawObject('blob', 'two of them');
  const read = async (entries: readonly PackEntry[], change: Partial<PackOptions> = {}) => {
    const ids = await idsInPack(writePack(entries), { ...options, ...change });
    return ids === null ? null : [...ids];
  };
  const on = (base: RawObject, delta: Buffer): PackEntry => ({ baseId: base.id, delta });

  test('makes nothing of an object that may not be used, also where it only repeats it', async () => {
    expect(await read([one, on(two, copyDelta(two.bytes.length))])).toEqual([one.id]);
    const base = (id: string) =>
      Promise.resolve(id === two.id ? { type: two.type, content: two.bytes } : null);
    expect(await read([one, on(two, copyDelta(two.bytes.length))], { base })).toEqual([one.id, two.id]);
  });

  test('makes deltas in any order, and none of a ring', async () => {
    const twice = rawObject('blob', 'oneone');
    const last = rawObject('blob', 'oneone!');
    const delta = on(twice, copyDelta(6, 1, '!'));
    expect(await read([delta, on(one, copyDelta(3, 2)), one])).toEqual([one.id, twice.id, last.id]);
    expect(await read([delta, on(last, copyDelta(7))])).toEqual([]);
  });

  test('makes nothing of a delta that reads or writes beyond what there is', async () => {
    const varint = (value: number) => Buffer.from(value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
    const deltas = [
      // Of another base; of a piece that it does not have; more than it says, and less.
      copyDelta(4),
      Buffer.from([3, 3, 0x91, 1, 3]),
      Buffer.from([3, 2, 0x90, 3]),
      Buffer.from([3, 9, 0x90, 3]),
      // A text that ends early, a code that is none, a size without end.
      Buffer.from([3, 9, 9, 0x41]),
      Buffer.from([3, 0, 0]),
      Buffer.from([3, 255, 255]),
      Buffer.concat([varint(3), varint(3)]),
    ];
    for (const delta of deltas)
      expect(await read([one, on(one, delta)]), delta.toString('hex')).toEqual([one.id]);
  });

  test('is unpacked as far as is allowed', async () => {
    const large = rawObject('blob', 'x'.repeat(60_000));
    expect(await read([one, large, two])).toEqual([one.id, large.id, two.id]);
    expect(await read([one, large, large, two])).toEqual([one.id, large.id]);
    expect(await read([large, on(large, copyDelta(60_000, 1000))])).toEqual([large.id]);
  });

  test('is none where a count or a kind is none', async () => {
    for (const pack of [
      writePack([one], { count: 2 }),
      writePack([one, two], { count: 1 }),
      writePack([one], { count: 0xffffffff }),
      writePack([one], { signature: 'KCAP' }),
      writePack([{ entryBytes: Buffer.from([0x53, 1, 2, 3]) }]),
      writePack([{ entryBytes: Buffer.alloc(50, 0xff) }]),
      Buffer.from('PACK'),
    ])
      expect(await idsInPack(pack, options)).toBeNull();
  });
});
