import { beforeAll, describe, expect, test } from 'vitest';
import { gitOk } from '../../support/git.js';
import { type HostileBridge, startHostileBridge } from '../../support/hostile/hostile-bridge.js';
import { pktLine } from '../../support/hostile/pkt-line.js';
import { openRawClient } from '../../support/hostile/raw-client.js';
import { refused } from '../../support/hostile/refused-case.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P3

/** What a stolen key can read: main, which it is for, and nothing else. */
let bridge: HostileBridge;
let owners: { branch: string; tag: string; blob: string; tree: string };

beforeAll(async () => {
  bridge = await startHostileBridge();
  const at = { gitDir: bridge.fixture.repoPath, env: bridge.fixture.ownerEnv };
  // What an owner may keep beside main, and what nothing points to.
  await gitOk(['update-ref', 'refs/heads/private', bridge.hidden], at);
  await gitOk(['tag', '-a', '-m', 'x', 'v1', bridge.hidden], at);
  const id = async (name: string) => (await gitOk(['rev-parse', name], at)).trim();
  owners = {
    branch: bridge.hidden,
    tag: await id('v1'),
    blob: await id('main:task.txt'),
    tree: await id('main^{tree}'),
  };
});

interface Ask {
  readonly lines: readonly (string | null)[];
  readonly protocol?: string;
}

async function fetch(ask: Ask): Promise<string> {
  const { fixture } = bridge;
  const options =
    ask.protocol === undefined
      ? {}
      : { sshArgs: ['-o', 'SendEnv=GIT_PROTOCOL'], env: { GIT_PROTOCOL: ask.protocol } };
  const client = openRawClient(
    fixture,
    fixture.principal('home-pc'),
    `git-upload-pack '${fixture.repoPath}'`,
    options,
  );
  await client.advertisement();
  client.send(Buffer.concat(ask.lines.map(pktLine)));
  client.end();
  return (await client.closed).text;
}

const want = (id: string): Ask => ({ lines: [`want ${id} ofs-delta\n`, null, 'done\n'] });
const NOT_OURS = /not our ref/;

test.each([undefined, 'version=0', 'version=1', 'version=2', 'version=3'])(
  'only main is advertised, whatever version is asked for (%s)',
  async (protocol) => {
    await refused(bridge, 'home-pc', async () => {
      const text = await fetch({ lines: [null], ...(protocol === undefined ? {} : { protocol }) });
      const refs = [...text.matchAll(/^[0-9a-f]{40} (\S+?)(?:\0.*)?$/gm)].map((match) => match[1]);
      expect(refs.filter((ref) => ref !== 'HEAD')).toEqual(['refs/heads/main']);
      expect(text).not.toContain(bridge.hidden);
      return text;
    });
  },
);

describe('an id that is not the tip of main is refused', () => {
  const cases: readonly (readonly [string, () => string, RegExp])[] = [
    ['the commit of a hidden ref', () => bridge.hidden, NOT_OURS],
    ['a tag of the owner', () => owners.tag, NOT_OURS],
    ['a blob nothing points to', () => bridge.loose, NOT_OURS],
    ['a blob of main', () => owners.blob, NOT_OURS],
    ['the tree of main', () => owners.tree, NOT_OURS],
    ['an older commit of main', () => bridge.root, NOT_OURS],
    ['an id that nobody has', () => '6'.repeat(40), NOT_OURS],
    ['an id of zeros', () => '0'.repeat(40), NOT_OURS],
    ['no id', () => 'main', /protocol error/],
    ['half an id', () => '1234', /protocol error/],
  ];
  for (const [what, id, told] of cases) {
    test(what, async () => {
      await refused(bridge, 'home-pc', () => fetch(want(id())), told);
    });
  }

  test('by protocol 2, which would serve any', async () => {
    const lines = ['command=fetch', `want ${bridge.loose}\n`, 'done\n', null];
    await refused(bridge, 'home-pc', () => fetch({ lines, protocol: 'version=2' }), /protocol error/);
  });

  test('by its size, by protocol 2', async () => {
    const lines = ['command=object-info', 'size', `oid ${bridge.loose}`, null];
    await refused(bridge, 'home-pc', () => fetch({ lines, protocol: 'version=2' }), /protocol error/);
  });
});

describe('odd requests are harmless', () => {
  const tip = () => bridge.tip;
  const cases: readonly (readonly [string, () => (string | null)[], RegExp])[] = [
    [
      'a filter that was not offered',
      () => [`want ${tip()} filter\n`, 'filter tree:0\n', null, 'done\n'],
      /filtering|filter|protocol|unexpected/,
    ],
    [
      'a filter that runs a program',
      () => [`want ${tip()}\n`, 'filter sparse:oid=main:x\n', null, 'done\n'],
      /filter|protocol/,
    ],
    ['deepen 0', () => [`want ${tip()}\n`, 'deepen 0\n', null, 'done\n'], /PACK|deepen/],
    ['deepen less than nothing', () => [`want ${tip()}\n`, 'deepen -1\n', null, 'done\n'], /deepen/],
    [
      'deepen two thousand million',
      () => [`want ${tip()} shallow\n`, 'deepen 2147483647\n', null, 'done\n'],
      /PACK/,
    ],
    [
      'deepen beyond all integers',
      () => [`want ${tip()} shallow\n`, 'deepen 99999999999999999999\n', null, 'done\n'],
      /deepen|PACK/,
    ],
    [
      'deepen-since tomorrow',
      () => [`want ${tip()} deepen-since\n`, 'deepen-since 99999999999\n', null, 'done\n'],
      /no commits selected|PACK/,
    ],
    [
      'deepen-since what is no date',
      () => [`want ${tip()} deepen-since\n`, 'deepen-since evil\n', null, 'done\n'],
      /deepen-since/,
    ],
    [
      'deepen-not a hidden ref',
      () => [`want ${tip()} deepen-not\n`, 'deepen-not refs/bridge/watch/x\n', null, 'done\n'],
      /deepen-not|ambiguous|PACK/,
    ],
    [
      'deepen-not an option',
      () => [`want ${tip()} deepen-not\n`, 'deepen-not --all\n', null, 'done\n'],
      /deepen-not|ambiguous/,
    ],
    [
      'shallow at what is not here',
      () => [`want ${tip()} shallow\n`, `shallow ${'7'.repeat(40)}\n`, 'deepen 1\n', null, 'done\n'],
      /PACK/,
    ],
    [
      'shallow at a blob',
      () => [`want ${tip()} shallow\n`, `shallow ${bridge.loose}\n`, 'deepen 1\n', null, 'done\n'],
      /invalid shallow object|PACK/,
    ],
    [
      'ten thousand wants of the same',
      () => [`want ${tip()}\n`, ...Array<string>(10_000).fill(`want ${tip()}\n`), null, 'done\n'],
      /PACK/,
    ],
    [
      'ten thousand haves of nothing',
      () => [
        `want ${tip()}\n`,
        null,
        ...Array.from({ length: 10_000 }, (_, n) => `have ${String(n).padStart(40, '0')}\n`),
        'done\n',
      ],
      /PACK/,
    ],
    ['a line that is none', () => ['evil\n', null], /protocol error/],
  ];
  for (const [what, lines, told] of cases) {
    test(what, async () => {
      await refused(bridge, 'home-pc', () => fetch({ lines: lines() }), told);
    });
  }
});

test('git itself clones main, shallow and whole, and gets no other ref', async () => {
  const { fixture } = bridge;
  const { env } = fixture.principal('home-pc');
  const dir = await tempDir();
  await gitOk(['clone', '--quiet', '--mirror', fixture.sshUrl, `${dir}/whole`], { env });
  await gitOk(['clone', '--quiet', '--bare', '--depth=1', fixture.sshUrl, `${dir}/shallow`], { env });

  const refs = await gitOk(['for-each-ref', '--format=%(refname)'], { gitDir: `${dir}/whole`, env });
  expect(refs).toBe('refs/heads/main\n');
});
