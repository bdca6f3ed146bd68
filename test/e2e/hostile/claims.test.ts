import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { claimRef, writeClaim } from '../../../src/protocol/claim.js';
import { git, gitOk } from '../../support/git.js';
import { rawObject, rawTree } from '../../support/hostile/git-objects.js';
import { type HostileBridge, startHostileBridge } from '../../support/hostile/hostile-bridge.js';
import { hugeBlob } from '../../support/hostile/pack-writer.js';
import { pktLine } from '../../support/hostile/pkt-line.js';
import { openRawClient } from '../../support/hostile/raw-client.js';
import { buildCommit, MAIN, type RawPush, rawPush, ZERO_ID } from '../../support/hostile/raw-push.js';
import { refused } from '../../support/hostile/refused-case.js';
import { at, claimBlob, modelsBlob, presenceBlob } from '../../support/hostile/side-objects.js';
import { writeObjectFile } from '../../support/object-files.js';
import { refuserOf, rowsToTry } from '../../support/rows-to-try.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P19

/**
 * What a stolen key can do with claims, presences and models, over the real sshd and the key's own forced
 * command.
 */
let bridge: HostileBridge;
/** A live claim of other-pc on the second open task. */
let theirs: string;
/** What other-pc has. */
let has: string;

const AGENT = 'refs/bridge/agents/home-pc';
async function plant(ref: string, bytes: Buffer): Promise<string> {
  const where = { gitDir: bridge.fixture.repoPath, env: bridge.fixture.ownerEnv };
  const id = writeObjectFile(where.gitDir, 'blob', bytes);
  await gitOk(['update-ref', ref, id], where);
  return id;
}

beforeAll(async () => {
  bridge = await startHostileBridge();
  const live = { agent: 'other-pc', session: '2'.repeat(16), until: at(299_000) };
  theirs = await plant(claimRef(bridge.openToo.id), writeClaim(live));
  has = await plant('refs/bridge/models/other-pc', modelsBlob({ agent: 'other-pc' }).bytes);
});

type Case = readonly [what: string, told: readonly RegExp[], push: () => RawPush];

function refuses(cases: readonly Case[]): void {
  for (const [what, told, push] of rowsToTry(cases, ([, told]) => refuserOf(told))) {
    test(what, async () => {
      const attack = push();
      const who = attack.who ?? 'home-pc';
      await refused(bridge, who, async () => (await rawPush(bridge, attack)).text, ...told);
    });
  }
}

const WHO = /home-pc/;

/** A claim on the open task, with some of it otherwise. */
function claim(
  change: { blob?: ReturnType<typeof rawObject>; ref?: string; oldId?: string; who?: string } = {},
): RawPush {
  const blob = change.blob ?? claimBlob(change.who === undefined ? {} : { agent: change.who });
  const ref = change.ref ?? claimRef(bridge.open.id);
  return {
    ...(change.who === undefined ? {} : { who: change.who }),
    commands: [{ oldId: change.oldId ?? ZERO_ID, newId: blob.id, ref }],
    entries: [blob],
  };
}

/** The end of a ref. */
function end(ref: string, oldId: string): RawPush {
  return { commands: [{ oldId, newId: ZERO_ID, ref }], pack: null };
}

describe('claims', () => {
  const onTheirs = () => claimRef(bridge.openToo.id);
  refuses([
    ['by an asker', [/\[role\]/, /bot/], () => claim({ who: 'bot' })],
    [
      'in the name of another',
      [/\[author\]/, WHO, /other-pc/],
      () => claim({ blob: claimBlob({ agent: 'other-pc' }) }),
    ],
    ['for a day', [/\[clock\]/, WHO, /limit/], () => claim({ blob: claimBlob({ until: at(86_400_000) }) })],
    ['for yesterday', [/\[clock\]/, WHO], () => claim({ blob: claimBlob({ until: at(-86_400_000) }) })],
    ['on an answered task', [/\[answered\]/, WHO], () => claim({ ref: claimRef(bridge.answered.id) })],
    ['on a task out of time', [/\[expired\]/, WHO], () => claim({ ref: claimRef(bridge.expired.id) })],
    ['on a made-up task', [/\[unknown-task\]/, WHO], () => claim({ ref: claimRef('6'.repeat(40)) })],
    [
      'on the commit of a hidden ref',
      [/\[unknown-task\]/, WHO],
      () => claim({ ref: claimRef(bridge.hidden) }),
    ],
    ['on the root', [/\[unknown-task\]/, WHO], () => claim({ ref: claimRef(bridge.root) })],
    ['on half an id', [/\[ref\]/, WHO], () => claim({ ref: claimRef('abcd') })],
    ['on an id of another length', [/\[ref\]/, WHO], () => claim({ ref: claimRef('a'.repeat(64)) })],
    ['on a ref below a task', [/\[ref\]/, WHO], () => claim({ ref: `${claimRef(bridge.open.id)}/x` })],
    ['on the folder of claims', [/\[ref\]/, WHO], () => claim({ ref: 'refs/bridge/claims' })],
    ['on a lock', [/\[ref\]/, WHO], () => claim({ ref: `${claimRef(bridge.open.id)}.lock` })],
    ['on what climbs out', [/\[ref\]/, WHO], () => claim({ ref: 'refs/bridge/claims/../../heads/main' })],
    ['of another kind of ours', [/hidden ref/], () => claim({ ref: 'refs/bridge/finished/x' })],
    ['of bytes that are no claim', [/\[payload\]/, WHO], () => claim({ blob: rawObject('blob', 'mine') })],
    [
      'of bytes that two readers read in two ways',
      [/\[payload\]/, WHO],
      () => {
        const text = claimBlob().bytes.toString();
        return claim({ blob: rawObject('blob', text.replace('{', '{"agent":"other-pc",')) });
      },
    ],
    [
      'of eight megabytes',
      [/\[limit\]/, WHO, /512/],
      () => {
        const huge = hugeBlob(8 * 1024 * 1024, 0x20);
        const commands = [{ oldId: ZERO_ID, newId: huge.id, ref: claimRef(bridge.open.id) }];
        return { commands, entries: [huge.entry] };
      },
    ],
    [
      'at a commit',
      [/\[shape\]/, WHO],
      () => ({ ...claim({ blob: { ...claimBlob(), id: bridge.tip } }), entries: [] }),
    ],
    [
      'at the blob of another: the secret of the owner',
      [/\[payload\]/, WHO],
      () => ({ ...claim({ blob: { ...claimBlob(), id: bridge.loose } }), entries: [] }),
    ],
    ['over a live one, as if it were not there', [/\[stale\]/, WHO], () => claim({ ref: onTheirs() })],
    [
      'over a live one',
      [/\[claimed\]/, WHO, /held by other-pc/],
      () => claim({ ref: onTheirs(), oldId: theirs }),
    ],
    [
      'over a live one, in its own bytes',
      [/\[author\]/, WHO],
      () => ({
        ...claim({ ref: onTheirs(), oldId: theirs, blob: { ...claimBlob(), id: theirs } }),
        entries: [],
      }),
    ],
    ['ended for another', [/\[claimed\]/, WHO], () => end(onTheirs(), theirs)],
    [
      'ended for another, by an asker',
      [/\[role\]/, /bot/],
      () => ({ ...end(onTheirs(), theirs), who: 'bot' }),
    ],
    ['ended where there is none', [/\[stale\]/, WHO], () => end(claimRef(bridge.open.id), ZERO_ID)],
    [
      'with a stowaway',
      [/\[shape\]/, WHO, /belongs to no claim/],
      () => ({ ...claim(), entries: [claimBlob(), rawObject('blob', 'stowaway')] }),
    ],
    [
      'with twenty thousand stowaways',
      [/\[shape\]/, WHO],
      () => ({
        ...claim(),
        entries: [
          claimBlob(),
          ...Array.from({ length: 20_000 }, (_, n) => rawObject('blob', `stowaway ${n}`)),
        ],
      }),
    ],
    [
      'twice in one push',
      [/\[ref\]/, WHO, /one ref/],
      () => {
        const push = claim();
        return { ...push, commands: [...(push.commands ?? []), ...(push.commands ?? [])] };
      },
    ],
    [
      'sixty-one in one push',
      [/\[limit\]/, WHO, /60 refs/],
      () => {
        const blob = claimBlob();
        const ref = (n: number) => claimRef(String(n).padStart(40, 'a'));
        const commands = Array.from({ length: 61 }, (_, n) => ({
          oldId: ZERO_ID,
          newId: blob.id,
          ref: ref(n),
        }));
        return { commands, entries: [blob] };
      },
    ],
  ]);
});

describe('presences', () => {
  const presence = (blob = presenceBlob(), ref = AGENT): RawPush => ({
    commands: [{ oldId: ZERO_ID, newId: blob.id, ref }],
    entries: [blob],
  });
  refuses([
    [
      'of another',
      [/\[author\]/, WHO],
      () => presence(presenceBlob({ agent: 'other-pc' }), 'refs/bridge/agents/other-pc'),
    ],
    ['that say another name', [/\[author\]/, WHO], () => presence(presenceBlob({ agent: 'other-pc' }))],
    [
      'of an asker',
      [/\[role\]/, /bot/],
      () => ({ ...presence(presenceBlob(), 'refs/bridge/agents/bot'), who: 'bot' }),
    ],
    ['of tomorrow', [/\[clock\]/, WHO], () => presence(presenceBlob({ seen_at: at(86_400_000) }))],
    ['of five kilobytes', [/\[limit\]/, WHO], () => presence(rawObject('blob', 'x'.repeat(5000)))],
    ['of what is none', [/\[payload\]/, WHO], () => presence(claimBlob())],
    [
      'with a model in escape sequences',
      [/\[payload\]/, WHO],
      () => {
        const text = presenceBlob({ models: ['llama'] }).bytes.toString();
        return presence(rawObject('blob', text.replace('llama', '\u009b31mred')));
      },
    ],
    ['below a name', [/\[ref\]/, WHO], () => presence(presenceBlob(), `${AGENT}/x`)],
    [
      'under a name with two dots',
      [/\[ref\]/, WHO],
      () => presence(presenceBlob(), 'refs/bridge/agents/a..b'),
    ],
    [
      'under a name that is a lock',
      [/\[ref\]/, WHO],
      () => presence(presenceBlob(), 'refs/bridge/agents/main.lock'),
    ],
  ]);
});

describe('models', () => {
  const MODELS = 'refs/bridge/models/home-pc';
  const one = { name: 'm', backend: 'ollama', can: [] };
  const models = (blob: ReturnType<typeof rawObject>, ref = MODELS): RawPush => ({
    commands: [{ oldId: ZERO_ID, newId: blob.id, ref }],
    entries: [blob],
  });
  /** What the writer would not write. */
  const raw = (said: object, other: object = {}) =>
    rawObject('blob', `${JSON.stringify({ agent: 'home-pc', at: at(0), models: said, ...other })}\n`);
  refuses([
    [
      'of another',
      [/\[author\]/, WHO],
      () => models(modelsBlob({ agent: 'other-pc' }), 'refs/bridge/models/other-pc'),
    ],
    ['that say another name', [/\[author\]/, WHO], () => models(modelsBlob({ agent: 'other-pc' }))],
    [
      'of an asker',
      [/\[role\]/, /bot/],
      () => ({ ...models(modelsBlob({ agent: 'bot' }), 'refs/bridge/models/bot'), who: 'bot' }),
    ],
    ['of tomorrow', [/\[clock\]/, WHO], () => models(modelsBlob({ at: at(86_400_000) }))],
    ['of yesterday', [/\[clock\]/, WHO], () => models(modelsBlob({ at: at(-86_400_000) }))],
    ['201 of them', [/\[payload\]/, WHO], () => models(raw(Array.from({ length: 201 }, () => one)))],
    [
      'of a megabyte',
      [/\[limit\]/, WHO, /32768/],
      () => models(raw([{ ...one, name: 'x'.repeat(1024 * 1024) }])),
    ],
    [
      'with half a character',
      [/\[payload\]/, WHO],
      () => models(rawObject('blob', raw([one]).bytes.toString().replace('"m"', '"\\ud800"'))),
    ],
    [
      'with escape sequences in a name',
      [/\[payload\]/, WHO],
      () => models(rawObject('blob', raw([one]).bytes.toString().replace('"m"', '"\\u001b[31mred"'))),
    ],
    ['with a field that is not known', [/\[payload\]/, WHO], () => models(raw([{ ...one, loaded: true }]))],
    [
      'that two readers read in two ways',
      [/\[payload\]/, WHO],
      () => models(rawObject('blob', raw([one]).bytes.toString().replace('{', '{"agent":"other-pc",'))),
    ],
    ['that are a presence', [/\[payload\]/, WHO], () => models(presenceBlob())],
    ['that are a tree', [/\[shape\]/, WHO, /a tree/], () => models(rawTree([]))],
    [
      'with a stowaway',
      [/\[shape\]/, WHO, /came along/],
      () => {
        const honest = models(modelsBlob());
        return { ...honest, entries: [...(honest.entries ?? []), rawObject('blob', 'stowaway')] };
      },
    ],
    ['below a name', [/\[ref\]/, WHO], () => models(modelsBlob(), `${MODELS}/x`)],
    ['under no name', [/\[ref\]/, WHO], () => models(modelsBlob(), 'refs/bridge/models')],
    ['under a name with two dots', [/\[ref\]/, WHO], () => models(modelsBlob(), 'refs/bridge/models/a..b')],
    ['under a name that is a lock', [/\[ref\]/, WHO], () => models(modelsBlob(), `${MODELS}.lock`)],
    ['that climb out', [/\[ref\]/, WHO], () => models(modelsBlob(), 'refs/bridge/models/../../heads/main')],
    ["the end of another's", [/\[author\]/, WHO, /other-pc/], () => end('refs/bridge/models/other-pc', has)],
    [
      "another's, in their place",
      [/\[author\]/, WHO, /other-pc/],
      () => {
        const blob = modelsBlob();
        return {
          commands: [{ oldId: has, newId: blob.id, ref: 'refs/bridge/models/other-pc' }],
          entries: [blob],
        };
      },
    ],
  ]);

  test('a ref that is a symlink is not written through', async () => {
    const { repoPath, ownerEnv } = bridge.fixture;
    const link = join(repoPath, MODELS);
    const ids = () => gitOk(['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads'], where);
    const where = { gitDir: repoPath, env: ownerEnv };
    await mkdir(dirname(link), { recursive: true });
    await symlink('../../heads/main', link);
    const before = await ids();
    // Its owner alone can make one; whatever git makes of it, main stays.
    await rawPush(bridge, models(modelsBlob()));
    expect(await ids()).toBe(before);
    await rm(link, { force: true });
  });
});

describe('main beside claims', () => {
  const answer = () => buildCommit(bridge);
  refuses([
    [
      'a good answer and a bad claim',
      [/\[claimed\]/, WHO],
      () => {
        const built = answer();
        const bad = claim({ ref: claimRef(bridge.openToo.id), oldId: theirs });
        return {
          commands: [built.command, ...(bad.commands ?? [])],
          entries: [...built.objects, ...(bad.entries ?? [])],
        };
      },
    ],
    [
      'the same in one transaction',
      [/\[claimed\]/, WHO],
      () => {
        const built = answer();
        const bad = claim({ ref: claimRef(bridge.openToo.id), oldId: theirs });
        return {
          commands: [...(bad.commands ?? []), built.command],
          capabilities: 'report-status side-band-64k object-format=sha1 atomic agent=raw',
          entries: [...built.objects, ...(bad.entries ?? [])],
        };
      },
    ],
    [
      'a bad answer and a good claim',
      [/\[payload\]/, WHO],
      () => {
        const built = buildCommit(bridge, { payload: '{}' });
        const good = claim();
        return {
          commands: [built.command, ...(good.commands ?? [])],
          entries: [...built.objects, ...(good.entries ?? [])],
        };
      },
    ],
    [
      'main deleted beside a good claim',
      [/\[ref\]/, WHO, /cannot be deleted/],
      () => {
        const good = claim();
        return {
          commands: [...(good.commands ?? []), { oldId: bridge.tip, newId: ZERO_ID, ref: MAIN }],
          entries: [...(good.entries ?? [])],
        };
      },
    ],
    [
      'a commit that came as a claim and as main',
      [/\[shape\]/, WHO],
      () => {
        const built = answer();
        return {
          commands: [
            built.command,
            { oldId: ZERO_ID, newId: built.commit.id, ref: claimRef(bridge.open.id) },
          ],
          entries: built.objects,
        };
      },
    ],
  ]);

  test('a line break that forges a second line moves nothing', async () => {
    const { repoPath, ownerEnv } = bridge.fixture;
    const refs = () => gitOk(['for-each-ref'], { gitDir: repoPath, env: ownerEnv });
    const before = await refs();
    const built = answer();
    const { oldId, newId } = built.command;
    const blob = presenceBlob();
    const forged = `${AGENT}\n${oldId} ${newId} ${MAIN}`;

    const { text } = await rawPush(bridge, {
      commands: [{ oldId: ZERO_ID, newId: blob.id, ref: forged }],
      entries: [...built.objects, blob],
    });

    // The hook sees two good lines. git knows that it is one, and of no ref that there can be.
    expect(text).toMatch(/funny refname/);
    expect(await refs()).toBe(before);
    expect(await bridge.fixture.readLog()).toBe('');
  });
});

describe('what a key can read', () => {
  test('claims, presences and models are advertised, and other refs of ours are not', async () => {
    const { fixture } = bridge;
    for (const command of ['git-upload-pack', 'git-receive-pack']) {
      const client = openRawClient(fixture, fixture.principal('bot'), `${command} '${fixture.repoPath}'`);
      const text = (await client.advertisement()).join('\n');
      client.send(pktLine(null));
      client.end();
      await client.closed;
      expect(text).toContain(claimRef(bridge.openToo.id));
      expect(text).toContain('refs/bridge/models/other-pc');
      expect(text).not.toContain('refs/bridge/watch');
    }
  });

  test('git clones main alone, and a mirror has what agents say besides', async () => {
    const { fixture } = bridge;
    const { env } = fixture.principal('home-pc');
    const dir = await tempDir();
    await gitOk(['clone', '--quiet', '--bare', fixture.sshUrl, `${dir}/clone`], { env });
    await gitOk(['clone', '--quiet', '--mirror', fixture.sshUrl, `${dir}/mirror`], { env });
    const refs = (name: string) =>
      gitOk(['for-each-ref', '--format=%(refname)'], { gitDir: `${dir}/${name}`, env });
    expect(await refs('clone')).toBe(`${MAIN}\n`);
    expect(await refs('mirror')).toBe(
      `${claimRef(bridge.openToo.id)}\nrefs/bridge/models/other-pc\n${MAIN}\n`,
    );
  });
});

test('and an honest claim still goes through, and its end', async () => {
  const { repoPath, ownerEnv } = bridge.fixture;
  const ref = claimRef(bridge.open.id);
  const there = () => git(['rev-parse', '--verify', '--quiet', ref], { gitDir: repoPath, env: ownerEnv });
  const honest = claim();
  expect((await rawPush(bridge, honest)).text).toContain(`ok ${ref}`);
  const [{ newId } = { newId: '' }] = honest.commands ?? [];
  expect((await there()).stdout.trim()).toBe(newId);
  expect((await rawPush(bridge, end(ref, newId))).text).toContain(`ok ${ref}`);
  expect((await there()).exitCode).toBe(1);
});
