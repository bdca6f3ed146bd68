import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { replaceTreeFile } from '../../../src/git/git-objects.js';
import { answerMessage } from '../../../src/protocol/commit-message.js';
import { type RawObject, rawObject, rawTree } from '../../support/hostile/git-objects.js';
import {
  type HostileBridge,
  honestAnswer,
  startHostileBridge,
} from '../../support/hostile/hostile-bridge.js';
import { hugeBlob, type PackEntry, repeatDelta, writePack } from '../../support/hostile/pack-writer.js';
import { pktLine } from '../../support/hostile/pkt-line.js';
import {
  type BuiltCommit,
  buildCommit,
  type CommitParts,
  MAIN,
  type RawPush,
  rawPush,
  ZERO_ID,
} from '../../support/hostile/raw-push.js';
import { refused } from '../../support/hostile/refused-case.js';
import { refuserOf, rowsToTry } from '../../support/rows-to-try.js';

// SECURITY.md: P7, P11, P12, P20

/** What a stolen agent key can push, over the real sshd and the key's own forced command. */
let bridge: HostileBridge;

beforeAll(async () => {
  bridge = await startHostileBridge();
});

type Case = readonly [what: string, told: RegExp | readonly RegExp[], push: () => RawPush];

function refuses(cases: readonly Case[]): void {
  for (const [what, told, push] of rowsToTry(cases, ([, told]) => refuserOf(told))) {
    test(what, async () => {
      const attack = push();
      const patterns: readonly RegExp[] = Array.isArray(told) ? told : [told as RegExp];
      await refused(
        bridge,
        attack.who ?? 'home-pc',
        async () => (await rawPush(bridge, attack)).text,
        ...patterns,
      );
    });
  }
}

/** The push of an honest answer with some parts of the commit otherwise. */
function commit(parts: CommitParts = {}, more: readonly PackEntry[] = []): RawPush {
  const built = buildCommit(bridge, parts);
  return {
    ...(parts.who === undefined ? {} : { who: parts.who }),
    commands: [built.command],
    entries: [...built.objects, ...more],
  };
}

/** The same, with the command changed. */
function command(change: Partial<BuiltCommit['command']>): RawPush {
  const built = buildCommit(bridge);
  return { commands: [{ ...built.command, ...change }], entries: built.objects };
}

const WHO = /home-pc/;

describe('the commands', () => {
  const extra = (ref: string): RawPush => {
    const built = buildCommit(bridge);
    return {
      commands: [built.command, { oldId: ZERO_ID, newId: built.commit.id, ref }],
      entries: built.objects,
    };
  };
  refuses([
    [
      'another branch',
      [/\[ref\]/, WHO, /refs\/heads\/evil/],
      () => command({ ref: 'refs/heads/evil', oldId: ZERO_ID }),
    ],
    ['a tag', [/\[ref\]/, WHO, /refs\/tags\/v1/], () => command({ ref: 'refs/tags/v1', oldId: ZERO_ID })],
    ['a note', [/\[ref\]/, WHO], () => command({ ref: 'refs/notes/commits', oldId: ZERO_ID })],
    [
      'a replacement of an object',
      [/\[ref\]/, WHO],
      () => command({ ref: `refs/replace/${bridge.tip}`, oldId: ZERO_ID }),
    ],
    ['a ref below main', [/\[ref\]/, WHO], () => command({ ref: 'refs/heads/main/x', oldId: ZERO_ID })],
    ['main with a letter more', [/\[ref\]/, WHO], () => command({ ref: 'refs/heads/mainx', oldId: ZERO_ID })],
    ['main in capitals', [/\[ref\]/, WHO], () => command({ ref: 'refs/heads/MAIN', oldId: ZERO_ID })],
    ['HEAD', [/\[ref\]/, WHO], () => command({ ref: 'HEAD' })],
    ['a bare name', [/\[ref\]/, WHO], () => command({ ref: 'main' })],
    [
      'a ref that climbs out',
      [/\[ref\]/, WHO],
      () => command({ ref: 'refs/heads/../../config', oldId: ZERO_ID }),
    ],
    ['an empty ref', [/\[ref\]/, WHO], () => command({ ref: '' })],
    ['a hidden ref', /hidden ref/, () => command({ ref: 'refs/bridge/watch/x', oldId: bridge.hidden })],
    [
      'a ref with a line break that forges a second line',
      [/\[ref\]/, WHO],
      () => {
        const built = buildCommit(bridge);
        const { oldId, newId } = built.command;
        return {
          commands: [{ oldId, newId, ref: `refs/heads/x\n${oldId} ${newId} ${MAIN}` }],
          entries: built.objects,
        };
      },
    ],
    [
      'a line break before a forged name',
      [/\[ref\]/, WHO],
      () => {
        const built = buildCommit(bridge);
        const { oldId, newId } = built.command;
        return {
          commands: [{ oldId, newId, ref: `${MAIN}\n${oldId} ${newId} refs/heads/x` }],
          entries: built.objects,
        };
      },
    ],
    ['two line breaks behind main', [/\[ref\]/, WHO], () => command({ ref: `${MAIN}\n\n` })],
    ['a carriage return behind main', [/\[ref\]/, WHO], () => command({ ref: `${MAIN}\r` })],
    ['an escape sequence in a ref', [/\[ref\]/, WHO], () => command({ ref: 'refs/heads/\u001b[2J' })],
    ['a ref that is not UTF-8 text', [/\[ref\]/, WHO], () => command({ ref: 'refs/heads/m\u00e4in' })],
    [
      'a ref of a thousand letters',
      [/\[ref\]/, WHO],
      () => command({ ref: `refs/heads/${'a'.repeat(1000)}` }),
    ],
    [
      'a ref of sixty thousand letters',
      [/\[limit\]/, WHO],
      () => command({ ref: `refs/heads/${'a'.repeat(60_000)}` }),
    ],
    ['main, and a branch beside it', [/\[ref\]/, WHO, /exactly one/], () => extra('refs/heads/evil')],
    ['main twice', [/\[ref\]/, WHO, /exactly one/], () => extra(MAIN)],
    [
      'a thousand branches',
      [/\[limit\]/, WHO],
      () => ({
        commands: Array.from({ length: 1000 }, (_, n) => ({
          oldId: ZERO_ID,
          newId: bridge.tip,
          ref: `refs/heads/b${n}`,
        })),
        entries: [],
      }),
    ],
    [
      'main deleted',
      [/\[ref\]/, WHO, /cannot be deleted/],
      () => ({ commands: [{ oldId: bridge.tip, newId: ZERO_ID, ref: MAIN }], pack: null }),
    ],
    ['main as if it did not exist', [/\[ref\]/, WHO], () => command({ oldId: ZERO_ID })],
    [
      'an old value that is not main',
      [/\[stale\]/, WHO, /refs\/heads\/main/],
      () => command({ oldId: bridge.root }),
    ],
    ['a made-up old value', [/\[stale\]/, WHO], () => command({ oldId: '1'.repeat(40) })],
    [
      'a new value that nobody has',
      [/\[internal\]/, WHO, /commit 11111111 did not come/],
      () => command({ newId: '1'.repeat(40) }),
    ],
    [
      'main rewound',
      [/\[stale\]/, WHO],
      () => ({ commands: [{ oldId: bridge.tip, newId: bridge.root, ref: MAIN }], entries: [] }),
    ],
    [
      'main to the commit of a hidden ref',
      [/\[shape\]/, WHO, /did not come/],
      () => ({ commands: [{ oldId: bridge.tip, newId: bridge.hidden, ref: MAIN }], entries: [] }),
    ],
    [
      'a command that is no command',
      [/\[ref\]/, WHO],
      () => ({ before: [pktLine('x'.repeat(120))], commands: [], pack: null }),
    ],
    [
      'a command of one word',
      [/\[limit\]/, WHO],
      () => ({ before: [pktLine('push')], commands: [], pack: null }),
    ],
    [
      'a push certificate',
      [/\[ref\]/, WHO, /certificates/],
      () => {
        const built = buildCommit(bridge);
        const { oldId, newId } = built.command;
        const lines = [
          'push-cert\0 report-status',
          'certificate version 0.1\n',
          'pusher x\n',
          '\n',
          `${oldId} ${newId} ${MAIN}\n`,
          'push-cert-end\n',
        ];
        return { before: lines.map((line) => pktLine(line)), commands: [], entries: built.objects };
      },
    ],
    [
      'a push certificate that is meant to stay as a blob of a megabyte',
      [/\[ref\]/, WHO, /certificates/],
      () => {
        const filler = Array.from({ length: 20 }, (_, n) => pktLine(`${n} ${'x'.repeat(60_000)}\n`));
        return {
          before: [pktLine('push-cert\0 report-status'), ...filler, pktLine('push-cert-end\n')],
          commands: [],
          pack: null,
        };
      },
    ],
    [
      'shallow lines without end',
      [/\[limit\]/, WHO],
      () => ({
        ...command({}),
        before: Array.from({ length: 2000 }, () => pktLine(`shallow ${bridge.tip}`)),
      }),
    ],
    [
      'a certificate behind a shallow line, as git writes it',
      [/\[ref\]/, WHO, /certificates/],
      () => ({
        before: [
          pktLine(`shallow ${bridge.tip}\n`),
          pktLine('push-cert\0 report-status'),
          pktLine('push-cert-end\n'),
        ],
        commands: [],
        pack: null,
      }),
    ],
    ...(['\0', '\0\0\0\0'] as const).map(
      (nuls): Case => [
        `a shallow line with ${nuls.length} NUL in it`,
        [/\[ref\]/, WHO, /only commands/],
        () => ({ ...command({}), before: [pktLine(`shallow ${bridge.tip.slice(nuls.length)}${nuls}\n`)] }),
      ],
    ),
    [
      'something else of the length of a shallow line',
      [/\[ref\]/, WHO, /only commands/],
      () => ({ ...command({}), before: [pktLine(`pushcert ${bridge.tip}`)] }),
    ],
    [
      'a shallow line that ends early',
      [/\[ref\]/, WHO, /only commands/],
      () => ({ before: [Buffer.from(`0035shallow ${bridge.tip}`)], commands: [], pack: null }),
    ],
    [
      'a certificate behind a command',
      [/\[ref\]/, WHO, /certificates/],
      () => ({ ...command({}), behind: [pktLine('push-cert\0 report-status'), pktLine('push-cert-end\n')] }),
    ],
    [
      'something else behind a command',
      [/\[ref\]/, WHO, /only commands/],
      () => ({ ...command({}), behind: [pktLine(`pushcert ${bridge.tip}`)] }),
    ],
    ...(['\0', '\0\0\0\0', '\0 report-status atomic'] as const).map(
      (nuls): Case => [
        `a second command with ${JSON.stringify(nuls)} behind it`,
        [/\[ref\]/, WHO, /only commands/],
        () => ({ ...command({}), behind: [pktLine(`${ZERO_ID} ${bridge.tip} refs/heads/more${nuls}`)] }),
      ],
    ),
    [
      'a second command that ends early',
      [/\[ref\]/, WHO, /only commands/],
      () => ({ ...command({}), behind: [Buffer.from(`006f${ZERO_ID} ${bridge.tip} refs/`)], pack: null }),
    ],
    [
      'a shallow line behind a command, with NUL in it',
      [/\[ref\]/, WHO, /only commands/],
      () => ({ ...command({}), behind: [pktLine(`shallow ${bridge.tip.slice(4)}\0\0\0\0\n`)] }),
    ],
    [
      'a shallow line for a commit without its parents',
      [/\[stale\]/, WHO, /not here/],
      () => {
        const orphan = buildCommit(bridge, { parent: '2'.repeat(40) });
        return {
          before: [pktLine(`shallow ${orphan.commit.id}`)],
          commands: [{ ...orphan.command, oldId: bridge.tip }],
          entries: orphan.objects,
        };
      },
    ],
    [
      'push options that were not offered',
      /pack signature mismatch/,
      () => ({
        ...command({}),
        capabilities: 'report-status push-options',
        after: [pktLine('evil=1'), pktLine(null)],
      }),
    ],
    [
      'a length that is no number',
      [/\[ref\]/, WHO, /no push/],
      () => ({ before: [Buffer.from('zzzzhello')], commands: [], pack: null }),
    ],
    [
      'another object format',
      /unsupported object format/,
      () => ({ ...command({}), capabilities: 'report-status object-format=sha256' }),
    ],
  ]);
});

describe('the history', () => {
  refuses([
    [
      'a merge',
      [/\[shape\]/, WHO, /merge/, /refs\/heads\/main/],
      () =>
        commit({
          headers: (h) =>
            `tree ${h.tree}\nparent ${h.parent}\nparent ${bridge.root}\nauthor ${h.author}\ncommitter ${h.committer}\n`,
        }),
    ],
    [
      'the same parent twice',
      [/\[shape\]/, WHO, /merge/],
      () =>
        commit({
          headers: (h) =>
            `tree ${h.tree}\nparent ${h.parent}\nparent ${h.parent}\nauthor ${h.author}\ncommitter ${h.committer}\n`,
        }),
    ],
    [
      'a root',
      [/\[stale\]/, WHO],
      () => {
        const root = buildCommit(bridge, {
          headers: (h) => `tree ${h.tree}\nauthor ${h.author}\ncommitter ${h.committer}\n`,
        });
        return { commands: [{ ...root.command, oldId: bridge.tip }], entries: root.objects };
      },
    ],
    [
      'main rewritten from its root',
      [/\[stale\]/, WHO],
      () => {
        const other = buildCommit(bridge, { parent: bridge.root });
        return { commands: [{ ...other.command, oldId: bridge.tip }], entries: other.objects };
      },
    ],
    [
      'a second parent that is not here',
      /object of unexpected type(?:.|\n)*unpacker error/,
      () =>
        commit({
          headers: (h) =>
            `tree ${h.tree}\nparent ${h.parent}\nparent ${'3'.repeat(40)}\nauthor ${h.author}\ncommitter ${h.committer}\n`,
        }),
    ],
    [
      'a tag in the place of a commit',
      [/\[stale\]/, WHO],
      () => {
        const built = buildCommit(bridge);
        const tag = rawObject(
          'tag',
          `object ${built.commit.id}\ntype commit\ntag x\ntagger home-pc <a@b> 1700000000 +0000\n\nx\n`,
        );
        return { commands: [{ ...built.command, newId: tag.id }], entries: [...built.objects, tag] };
      },
    ],
    [
      'a tree in the place of a commit',
      [/\[stale\]/, WHO],
      () => {
        const built = buildCommit(bridge);
        return { commands: [{ ...built.command, newId: built.tree.id }], entries: built.objects };
      },
    ],
    [
      'a blob in the place of a commit',
      [/\[stale\]/, WHO],
      () => {
        const built = buildCommit(bridge);
        return { commands: [{ ...built.command, newId: built.blob.id }], entries: built.objects };
      },
    ],
    [
      'a bad commit whose net change is good',
      [/\[shape\]/, WHO],
      () => {
        const evil = buildCommit(bridge, { file: 'evil.sh', payload: '#!/bin/sh\n' });
        const undone = buildCommit(bridge, { parent: evil.commit.id });
        return {
          commands: [{ ...undone.command, oldId: bridge.tip }],
          entries: [...evil.objects, ...undone.objects],
        };
      },
    ],
    [
      'a commit that changes nothing',
      [/\[shape\]/, WHO, /nothing/],
      () => commit({ tree: () => rawObject('tree', bridge.tipTree) }),
    ],
    ['two thousand commits', [/\[limit\]/, WHO], () => manyCommits(2000)],
    ['a commit from tomorrow', [/\[clock\]/, WHO], () => commit({ author: stamp(86_400) })],
    ['a commit from yesterday', [/\[clock\]/, WHO], () => commit({ author: stamp(-86_400) })],
    [
      'a date beyond all dates',
      /badDateOverflow/,
      () => commit({ author: 'home-pc <a@b> 99999999999999999999 +0000' }),
    ],
  ]);
});

function stamp(seconds: number): string {
  return `home-pc <a@b> ${Math.floor(Date.now() / 1000) + seconds} +0000`;
}

function manyCommits(count: number): RawPush {
  const objects: RawObject[] = [];
  let parent = bridge.tip;
  for (let n = 0; n < count; n += 1) {
    const built = buildCommit(bridge, { parent, payload: `{"n":${n}}` });
    objects.push(...built.objects);
    parent = built.commit.id;
  }
  return { commands: [{ oldId: bridge.tip, newId: parent, ref: MAIN }], entries: objects };
}

describe('the tree', () => {
  const withEntry = (mode: string, name: string, id = ''): CommitParts => ({
    tree: (honest, blobId) => {
      const raw = honest.toString('latin1');
      const entry = `${mode} ${name}\0${Buffer.from(id === '' ? blobId : id, 'hex').toString('latin1')}`;
      return rawObject('tree', Buffer.from(raw + entry, 'latin1'));
    },
  });
  /** inbox.json under another mode. */
  const asMode = (mode: string, id = ''): CommitParts => ({
    tree: (honest, blobId) => {
      const wanted = Buffer.from(
        `100644 inbox.json\0${Buffer.from(blobId, 'hex').toString('latin1')}`,
        'latin1',
      );
      const at = honest.indexOf(wanted);
      const entry = Buffer.from(
        `${mode} inbox.json\0${Buffer.from(id === '' ? blobId : id, 'hex').toString('latin1')}`,
        'latin1',
      );
      return rawObject(
        'tree',
        Buffer.concat([honest.subarray(0, at), entry, honest.subarray(at + wanted.length)]),
      );
    },
  });
  const file = (name: string, payload = 'x'): RawPush => commit({ file: name, payload });
  refuses([
    ['another file', [/\[shape\]/, WHO, /evil/], () => file('evil')],
    ['.gitattributes', [/\[shape\]/, WHO], () => file('.gitattributes', '* filter=evil\n')],
    [
      '.gitmodules',
      /gitmodulesUrl/,
      () => file('.gitmodules', '[submodule "x"]\n\tpath = x\n\turl = -u./evil\n'),
    ],
    ['.git', /hasDotgit/, () => file('.git')],
    ['a name with a line break', [/\[shape\]/, WHO], () => file('zz\nRefused: no')],
    ['a name with an escape sequence', [/\[shape\]/, WHO], () => file('zz\u001b[31m')],
    ['a path in a name', /fullPathname/, () => file('zz/x')],
    ['task.txt, by an agent', [/\[role\]/, WHO, /agent/], () => file('task.txt', 'do evil')],
    ['task.json, by an agent', [/\[role\]/, WHO], () => file('task.json', '{"prompt":"do evil"}')],
    ['inbox.json, by an asker', [/\[role\]/, /bot/], () => commit({ who: 'bot' })],
    ['the README changed', [/\[shape\]/, WHO], () => file('README.md', 'evil')],
    ['INBOX.JSON', [/\[shape\]/, WHO], () => file('INBOX.JSON')],
    ['a file beside the answer', [/\[shape\]/, WHO], () => commit(withEntry('100644', 'zz'))],
    [
      'inbox.json removed',
      [/\[shape\]/, WHO],
      () => {
        const without = replaceTreeFile(bridge.tipTree, 'inbox.json', '0'.repeat(40));
        const at = without.indexOf('100644 inbox.json');
        return commit({
          tree: () => rawObject('tree', Buffer.concat([without.subarray(0, at), without.subarray(at + 38)])),
        });
      },
    ],
    ['an empty tree', [/\[shape\]/, WHO], () => commit({ tree: () => rawTree([]) })],
    ['an executable answer', [/\[shape\]/, WHO], () => commit(asMode('100755'))],
    ['a group-writable answer', [/\[shape\]/, WHO], () => commit(asMode('100664'))],
    ['a symlink', [/\[shape\]/, WHO], () => commit({ ...asMode('120000'), payload: '/etc/passwd' })],
    ['a submodule', [/\[shape\]/, WHO], () => commit(asMode('160000', bridge.tip))],
    [
      'a folder',
      [/\[shape\]/, WHO, /inbox\.json/],
      () => {
        const folder = rawTree([{ mode: '100644', name: 'x', id: rawObject('blob', 'x').id }]);
        return commit({ ...asMode('40000', folder.id) }, [folder, rawObject('blob', 'x')]);
      },
    ],
    ['a mode with a zero in front', /zeroPaddedFilemode/, () => commit(asMode('0100644'))],
    ['a mode that is none', [/\[shape\]/, WHO, /100644/], () => commit(asMode('100000'))],
    ['inbox.json twice', /treeNotSorted/, () => commit(withEntry('100644', 'inbox.json'))],
    ['entries out of order', /treeNotSorted/, () => commit(withEntry('100644', 'aa'))],
    ['an entry without a name', /badTree/, () => commit(withEntry('100644', ''))],
    ['an entry that points to nothing', /nullSha1/, () => commit(withEntry('100644', 'zz', ZERO_ID))],
    [
      'a tree cut off',
      /badTree/,
      () => commit({ tree: (honest) => rawObject('tree', honest.subarray(0, honest.length - 5)) }),
    ],
    [
      'an entry whose blob is a tree',
      /invalid tree/,
      () => {
        const tree = rawTree([]);
        return commit(asMode('100644', tree.id), [tree]);
      },
    ],
    [
      'a tree of trees of trees, ten thousand million files of it',
      [/\[shape\]/, WHO],
      () => {
        const blob = rawObject('blob', 'x');
        const trees: RawObject[] = [];
        let id = blob.id;
        for (let level = 0; level < 10; level += 1) {
          const mode = level === 0 ? '100644' : '40000';
          const tree = rawTree(Array.from({ length: 10 }, (_, n) => ({ mode, name: `f${n}`, id })));
          trees.push(tree);
          id = tree.id;
        }
        return commit(withEntry('40000', 'zz', id), [...trees, blob]);
      },
    ],
    [
      'a tree of a hundred thousand files',
      [/\[shape\]/, WHO],
      () => {
        const blob = rawObject('blob', 'x');
        const entries = Array.from({ length: 100_000 }, (_, n) => ({
          mode: '100644',
          name: `f${String(n).padStart(6, '0')}`,
          id: blob.id,
        }));
        return commit({ tree: () => rawTree(entries) }, [blob]);
      },
    ],
    [
      'folders ten thousand deep',
      [/\[limit\]/, WHO],
      () => {
        const blob = rawObject('blob', 'x');
        const trees: RawObject[] = [rawTree([{ mode: '100644', name: 'x', id: blob.id }])];
        for (let n = 0; n < 10_000; n += 1)
          trees.push(rawTree([{ mode: '40000', name: 'd', id: trees.at(-1)?.id ?? '' }]));
        return commit(withEntry('40000', 'zz', trees.at(-1)?.id), [...trees, blob]);
      },
    ],
  ]);
});

describe('the commit', () => {
  const header = (line: string): CommitParts => ({
    headers: (h) =>
      `tree ${h.tree}\nparent ${h.parent}\nauthor ${h.author}\ncommitter ${h.committer}\n${line}`,
  });
  const now = Math.floor(Date.now() / 1000);
  const honest = () => answerMessage(honestAnswer(bridge.open, 'home-pc'));
  refuses([
    [
      'another author',
      [/\[author\]/, WHO, /boss/, /reset-author/],
      () => commit({ author: `boss <a@b> ${now} +0000`, committer: `home-pc <a@b> ${now} +0000` }),
    ],
    [
      'another committer',
      [/\[author\]/, WHO, /boss/],
      () => commit({ author: `home-pc <a@b> ${now} +0000`, committer: `boss <a@b> ${now} +0000` }),
    ],
    [
      'the name of another key',
      [/\[author\]/, WHO, /other-pc/],
      () => commit({ author: `other-pc <a@b> ${now} +0000` }),
    ],
    [
      'an author with a space behind',
      [/\[author\]/, WHO],
      () => commit({ author: `home-pc  <a@b> ${now} +0000` }),
    ],
    [
      'an author in Cyrillic look-alikes',
      [/\[author\]/, WHO],
      () => commit({ author: `h\u043eme-pc <a@b> ${now} +0000` }),
    ],
    ['an author without a name', /missingNameBeforeEmail/, () => commit({ author: `<a@b> ${now} +0000` })],
    [
      'an author with a bidi mark',
      [/\[message\]/, WHO],
      () => commit({ author: `home-pc\u202e <a@b> ${now} +0000` }),
    ],
    [
      'an address with a carriage return',
      [/\[message\]/, WHO],
      () => commit({ author: `home-pc <a\r@b> ${now} +0000` }),
    ],
    [
      'a signature',
      [/\[message\]/, WHO, /headers/, /gpg/],
      () => commit(header('gpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n')),
    ],
    ['an encoding', [/\[message\]/, WHO, /headers/], () => commit(header('encoding UTF-16\n'))],
    [
      'a merged tag',
      [/\[message\]/, WHO, /headers/],
      () => commit(header('mergetag object 0000\n type commit\n')),
    ],
    ['a header that nobody knows', [/\[message\]/, WHO, /headers/], () => commit(header('x-evil 1\n'))],
    [
      'two authors',
      /multipleAuthors/,
      () =>
        commit({
          headers: (h) =>
            `tree ${h.tree}\nparent ${h.parent}\nauthor ${h.author}\nauthor ${h.author}\ncommitter ${h.committer}\n`,
        }),
    ],
    [
      'no author',
      /missingAuthor/,
      () => commit({ headers: (h) => `tree ${h.tree}\nparent ${h.parent}\ncommitter ${h.committer}\n` }),
    ],
    [
      'headers out of order',
      /bogus commit object/,
      () =>
        commit({
          headers: (h) =>
            `parent ${h.parent}\ntree ${h.tree}\nauthor ${h.author}\ncommitter ${h.committer}\n`,
        }),
    ],
    [
      'a message that is not UTF-8',
      [/\[message\]/, WHO, /UTF-8/],
      () => commit({ message: Buffer.concat([Buffer.from(honest()), Buffer.from([0xff, 0xfe])]) }),
    ],
    [
      'an overlong UTF-8 form',
      [/\[message\]/, WHO, /UTF-8/],
      () => commit({ message: Buffer.concat([Buffer.from(honest()), Buffer.from([0xc0, 0xaf])]) }),
    ],
    [
      'an escape sequence in the message',
      [/\[message\]/, WHO, /control/],
      () => commit({ message: `\u001b]0;evil\u0007${honest()}` }),
    ],
    [
      'a carriage return in the message',
      [/\[message\]/, WHO],
      () => commit({ message: `good\rbad\n\n${honest()}` }),
    ],
    ['a NUL in the message', /nulInCommit/, () => commit({ message: `x\0${honest()}` })],
    ['a bidi mark in the message', [/\[message\]/, WHO], () => commit({ message: `\u202e${honest()}` })],
    [
      'a line separator in the message',
      [/\[message\]/, WHO],
      () => commit({ message: `a\u2028b ${honest()}` }),
    ],
    [
      'a message of a megabyte',
      [/\[limit\]/, WHO, /commit [0-9a-f]{8}/],
      () => commit({ message: `${'x'.repeat(1_000_000)}\n` }),
    ],
    [
      'a name of ten thousand letters',
      [/\[limit\]/, WHO],
      () => commit({ author: `${'x'.repeat(10_000)} <a@b> ${now} +0000` }),
    ],
    ['no trailers', [/\[message\]/, WHO, /trailers/], () => commit({ message: 'an answer\n' })],
    [
      'a trailer twice',
      [/\[message\]/, WHO, /trailers/],
      () => commit({ message: `${honest()}Status: ok\n` }),
    ],
    [
      'a trailer for another task',
      [/\[message\]/, WHO],
      () => commit({ message: honest().replace(bridge.open.id, bridge.openToo.id) }),
    ],
    [
      'a status that is not the answer\u2019s',
      [/\[message\]/, WHO],
      () => commit({ message: honest().replace('Status: ok', 'Status: cached') }),
    ],
  ]);
});

describe('the pack', () => {
  refuses([
    [
      'a blob that belongs to nothing',
      [/\[shape\]/, WHO, /blob [0-9a-f]{8}/, /belongs to no message/],
      () => commit({}, [rawObject('blob', 'stowaway')]),
    ],
    [
      'a tree that belongs to nothing',
      [/\[shape\]/, WHO, /tree [0-9a-f]{8}/],
      () => commit({}, [rawTree([{ mode: '100644', name: 'x', id: bridge.loose }])]),
    ],
    [
      'a commit that belongs to nothing',
      [/\[shape\]/, WHO, /commit [0-9a-f]{8}/],
      () =>
        commit({}, [
          buildCommit(bridge, { payload: 'other' }).commit,
          buildCommit(bridge, { payload: 'other' }).tree,
          buildCommit(bridge, { payload: 'other' }).blob,
        ]),
    ],
    [
      'a tag that belongs to nothing',
      [/\[shape\]/, WHO, /tag/],
      () =>
        commit({}, [
          rawObject(
            'tag',
            `object ${bridge.tip}\ntype commit\ntag x\ntagger a <a@b> 1700000000 +0000\n\nx\n`,
          ),
        ]),
    ],
    [
      'a thousand blobs that belong to nothing',
      [/\[shape\]/, WHO],
      () =>
        commit(
          {},
          Array.from({ length: 1000 }, (_, n) => rawObject('blob', `stowaway ${n}`)),
        ),
    ],
    [
      'twenty thousand blobs',
      [/\[limit\]/, WHO],
      () =>
        commit(
          {},
          Array.from({ length: 20_000 }, (_, n) => rawObject('blob', `stowaway ${n}`)),
        ),
    ],
    [
      'objects that are here already, sent again as ballast',
      [/\[shape\]/, WHO],
      () => {
        const texts = ['asked long ago', 'answered already', '2+2?', '3+3?', 'the secret of the owner'];
        return commit(
          {},
          texts.map((text) => rawObject('blob', text)),
        );
      },
    ],
    ['no objects at all', [/\[internal\]/, WHO, /did not come/], () => ({ ...commit(), entries: [] })],
    [
      'the commit without its tree',
      /unpacker error/,
      () => ({ ...commit(), entries: [buildCommit(bridge).commit] }),
    ],
    ['no pack', /eof before pack header/, () => ({ ...commit(), pack: null })],
    [
      'a pack cut off',
      /early EOF/,
      () => {
        const push = commit();
        const pack = writePack(push.entries ?? []);
        return { ...push, pack: pack.subarray(0, pack.length - 30) };
      },
    ],
    ['a wrong checksum', /final sha1 did not match/, () => ({ ...commit(), frame: { checksum: 'wrong' } })],
    ['a pack of another version', /pack version unsupported/, () => ({ ...commit(), frame: { version: 9 } })],
    [
      'no pack but text',
      /pack signature mismatch/,
      () => ({ ...commit(), pack: Buffer.from('GET / HTTP/1.0\r\n\r\n') }),
    ],
    [
      'a pack of four thousand million objects',
      /size_t overflow|over limit|too many objects|out of memory/,
      () => ({ ...commit(), frame: { count: 0xffffffff } }),
    ],
    // The checksum is read as one more object, and what git says of it depends on its bytes.
    [
      'fewer objects than said',
      /bad object at offset|early EOF|inflate|attempting to allocate/,
      () => ({ ...commit(), frame: { count: 5 } }),
    ],
    [
      'garbage behind the pack',
      [/\[payload\]/, WHO],
      () => {
        const push = commit({ payload: '{}' });
        return { ...push, pack: Buffer.concat([writePack(push.entries ?? []), Buffer.alloc(100_000, 0x41)]) };
      },
    ],
    [
      'a delta on an object that is not here',
      /unresolved delta/,
      () => commit({}, [{ baseId: '4'.repeat(40), delta: repeatDelta(10, 10, 2) }]),
    ],
    [
      'a delta that says another size of its base',
      /failed to apply delta/,
      () => commit({}, [{ baseId: bridge.loose, delta: repeatDelta(99_999, 10, 2) }]),
    ],
    [
      'bytes that do not inflate',
      /inflate/,
      () => commit({}, [{ entryBytes: Buffer.from([0x33, 1, 2, 3, 4]) }]),
    ],
    [
      'a copy of a blob of the owner by a delta',
      [/\[shape\]/, WHO],
      () => commit({}, [{ baseId: bridge.loose, delta: repeatDelta(23, 23, 2) }]),
    ],
    [
      'a blob of nine megabytes in the place of the answer',
      [/\[limit\]/, WHO, /inbox\.json/],
      () => {
        const huge = hugeBlob(9 * 1024 * 1024, 0x20);
        const built = buildCommit(bridge, {
          tree: () => rawObject('tree', replaceTreeFile(bridge.tipTree, 'inbox.json', huge.id)),
        });
        return { commands: [built.command], entries: [built.commit, built.tree, huge.entry] };
      },
    ],
    [
      'a pack of more bytes than the limit',
      /maximum allowed size/,
      () =>
        commit(
          {},
          [1, 2, 3].map(() => rawObject('blob', randomBytes(12 * 1024 * 1024))),
        ),
    ],
  ]);
});

test('and the honest answer still goes through', async () => {
  const result = await rawPush(bridge, commit());

  expect(result.text).toContain('ok refs/heads/main');
  const records = await bridge.fixture.answersLog();
  expect(records.at(-1)).toMatchObject({ agent: 'home-pc', task_commit: bridge.open.id });
});
