import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { replaceTreeFile } from '../../../src/git/git-objects.js';
import { claimRef } from '../../../src/protocol/claim.js';
import { askMessage, cancelMessage } from '../../../src/protocol/commit-message.js';
import { gitOk } from '../../support/git.js';
import { type RawObject, rawObject, rawTree } from '../../support/hostile/git-objects.js';
import {
  type HostileBridge,
  honestAnswer,
  startHostileBridge,
} from '../../support/hostile/hostile-bridge.js';
import { copyDelta, type PackEntry, pieceDelta } from '../../support/hostile/pack-writer.js';
import { pktLine } from '../../support/hostile/pkt-line.js';
import { openRawClient } from '../../support/hostile/raw-client.js';
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
import { claimBlob, modelsBlob, presenceBlob } from '../../support/hostile/side-objects.js';
import { writeObjectFile } from '../../support/object-files.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { rowsToTry } from '../../support/rows-to-try.js';

// SECURITY.md: P3, P10

/**
 * What a key can read by naming it: objects that the server has and does not show, cited in a push that does
 * not bring them. Whoever pushes here knows the ids, and nothing else of them.
 */
let bridge: HostileBridge;
let hidden: Hidden;

/** What the owner keeps beside main. All of it holds SECRET, and every name of it does. */
interface Hidden {
  /** A good task.txt: under a branch, a tag, a ref of ours, under nothing, under nothing and in a pack. */
  readonly tasks: Readonly<Record<'branch' | 'tag' | 'watch' | 'loose' | 'packed', RawObject>>;
  readonly taskJson: RawObject;
  /** A good answer of home-pc to the open task. */
  readonly answer: RawObject;
  /** A good cancel of the open task. */
  readonly cancel: RawObject;
  /** Neither a message nor a claim. */
  readonly text: RawObject;
  readonly claim: RawObject;
  readonly presence: RawObject;
  readonly models: RawObject;
  /** A good commit of bot's on top of main, which asks `tasks.branch`; with its tree. */
  readonly commit: string;
  readonly tree: string;
  /** A tree with a file whose name is secret, and one with a folder of such a name as well. */
  readonly file: string;
  readonly folder: string;
  /** A commit by an author whose name is secret, with that tree, on top of main. */
  readonly draft: RawObject;
}

const SECRET = /xylophone/;
const secret = (what: string) => `the owner's xylophone, ${what}: 4711`;

const owner = () => ({ gitDir: bridge.fixture.repoPath, env: bridge.fixture.ownerEnv });

function keep({ type, bytes, id }: RawObject): void {
  expect(writeObjectFile(owner().gitDir, type, bytes)).toBe(id);
}

const asRef = (ref: string, id: string) => gitOk(['update-ref', ref, id], owner());

async function hide(): Promise<Hidden> {
  const kept: RawObject[] = [];
  const blob = (text: string | Buffer): RawObject => {
    const made = rawObject('blob', text);
    kept.push(made);
    return made;
  };
  const tasks = {
    branch: blob(secret('branch')),
    tag: blob(secret('tag')),
    watch: blob(secret('watch')),
    loose: blob(secret('loose')),
    packed: blob(secret('packed')),
  };
  const answer = { ...honestAnswer(bridge.open, 'home-pc'), answer: secret('answer') };
  const cancel = {
    task_commit: bridge.open.id,
    cancelled_at: new Date().toISOString(),
    reason: secret('why'),
  };
  const inner = rawTree([{ mode: '100644', name: 'x', id: tasks.branch.id }]);
  // A refusal names the first files of a commit.
  const named = { mode: '100644', name: '.a-xylophone.txt', id: tasks.branch.id };
  const file = rawTree([named]);
  const folder = rawTree([{ mode: '40000', name: '.a-xylophone.d', id: inner.id }, named]);
  const asking = ask(tasks.branch);
  const draft = rawObject(
    'commit',
    `tree ${folder.id}\nparent ${bridge.tip}\nauthor xylophone <x@y> 1 +0000\ncommitter xylophone <x@y> 1 +0000\n\nx\n`,
  );
  const made = {
    tasks,
    taskJson: blob(JSON.stringify({ prompt: secret('task.json') })),
    answer: blob(`${JSON.stringify(answer)}\n`),
    cancel: blob(`${JSON.stringify(cancel)}\n`),
    text: blob(`xylophone ${'x'.repeat(100)}`),
    claim: blob(claimBlob({ session: '9'.repeat(16) }).bytes),
    presence: blob(presenceBlob({ models: ['xylophone'] }).bytes),
    models: blob(modelsBlob({ models: [{ name: 'xylophone', backend: 'ollama', can: [] }] }).bytes),
    commit: asking.commit.id,
    tree: asking.tree.id,
    file: file.id,
    folder: folder.id,
    draft,
  };
  kept.push(inner, file, folder, asking.tree, asking.commit, draft);
  for (const one of kept) keep(one);
  await asRef('refs/heads/private', made.commit);
  await asRef('refs/stash', draft.id);
  await asRef('refs/tags/plan', tasks.tag.id);
  await asRef('refs/bridge/watch/y', tasks.watch.id);
  const { gitDir } = owner();
  const { id } = tasks.packed;
  await gitOk(['pack-objects', '--quiet', join(gitDir, 'objects/pack/pack')], {
    ...owner(),
    input: `${id}\n`,
  });
  await rm(join(gitDir, 'objects', id.slice(0, 2), id.slice(2)));
  return made;
}

beforeAll(async () => {
  bridge = await startHostileBridge();
  hidden = await hide();
});

afterEach(async () => {
  // An attack that works must not be what refuses the next one.
  const ends = [claimRef(bridge.open.id), claimRef(bridge.openToo.id), 'refs/bridge/agents/home-pc'];
  const input = [`update ${MAIN} ${bridge.tip}`, ...ends.map((ref) => `delete ${ref}`), ''].join('\n');
  await gitOk(['update-ref', '--stdin'], { ...owner(), input });
});

/** `untold`: ids that a refusal must not name either. */
type Case = readonly [
  what: string,
  push: () => RawPush,
  more?: { readonly told?: RegExp; readonly untold?: () => string },
];

/** Each is refused with nothing changed, and nothing told of what is hidden. */
function refuses(cases: readonly Case[]): void {
  // Neighbours go by one door.
  const rows = rowsToTry(cases, (_row, at) => Math.floor(at / 3));
  for (const [what, push, { told = /llm-bridge refused \[/, untold } = {}] of rows) {
    test(what, async () => {
      const attack = push();
      await refused(
        bridge,
        attack.who ?? 'home-pc',
        async () => {
          const { text } = await rawPush(bridge, attack);
          expect(text).not.toMatch(SECRET);
          if (untold !== undefined) expect(text).not.toContain(untold().slice(0, 8));
          return text;
        },
        told,
      );
    });
  }
}

/** A task by bot in this very blob. */
function ask(blob: RawObject, file = 'task.txt', parts: CommitParts = {}): BuiltCommit {
  const message = askMessage({ hash: '1'.repeat(64), question: 'x' });
  return buildCommit(bridge, { who: 'bot', file, payload: blob.bytes, message, ...parts });
}

/** The push of a commit without its blob. */
function citing(built: BuiltCommit, who: string, more: readonly PackEntry[] = []): RawPush {
  return { who, commands: [built.command], entries: [built.commit, built.tree, ...more] };
}

const asking = (blob: RawObject, file?: string): RawPush => citing(ask(blob, file), 'bot');

/** A delta that makes its base once more. */
const same = (blob: RawObject): PackEntry => ({ baseId: blob.id, delta: copyDelta(blob.bytes.length) });

function answering(blob: RawObject, parts: CommitParts = {}): BuiltCommit {
  return buildCommit(bridge, { payload: blob.bytes, ...parts });
}

/** A second task on top of one that is whole, in a pack that git keeps as it is. */
function second(blob: RawObject, more: readonly PackEntry[] = []): RawPush {
  const first = ask(rawObject('blob', 'an honest question'));
  const parentTree = first.tree.bytes;
  const next = ask(blob, 'task.txt', { parent: first.commit.id, parentTree });
  return {
    who: 'bot',
    commands: [{ ...next.command, oldId: bridge.tip }],
    entries: [...first.objects, next.commit, next.tree, ...more],
  };
}

const point = (ref: string, id: string): RawPush => ({
  commands: [{ oldId: ref === MAIN ? bridge.tip : ZERO_ID, newId: id, ref }],
  entries: [],
});

describe('refused where it is cited, and not sent, is ', () => {
  describe('a blob', () => {
    refuses([
      ['of a branch of the owner', () => asking(hidden.tasks.branch)],
      ['of a hidden ref of ours', () => asking(hidden.tasks.watch)],
      ['that nothing refers to', () => asking(hidden.tasks.loose)],
      ['that nothing refers to, in a pack', () => asking(hidden.tasks.packed)],
      ['in task.json', () => asking(hidden.taskJson, 'task.json')],
      [
        'in cancel.json',
        () => {
          const message = cancelMessage({ task_commit: bridge.open.id, cancelled_at: '' });
          return citing(ask(hidden.cancel, 'cancel.json', { message }), 'bot');
        },
      ],
      ['as the answer', () => citing(answering(hidden.answer), 'home-pc')],
      ['that is no answer, in the place of one', () => citing(answering(hidden.text), 'home-pc')],
      ['that is no task, in the place of one', () => asking(hidden.text, 'task.json')],
      [
        'that a delta makes of itself',
        () => citing(ask(hidden.tasks.loose), 'bot', [same(hidden.tasks.loose)]),
      ],
      ['in the second commit of a push', () => second(hidden.tasks.branch)],
      [
        'that a delta makes of itself, in a pack that stays',
        () => second(hidden.tasks.loose, [same(hidden.tasks.loose)]),
        // git's own words: it makes no pack of a thing and its double.
        { told: /already resolved/ },
      ],
      [
        'that git copies into the pack for the delta of another',
        () => {
          const base = hidden.tasks.loose;
          const twice = rawObject('blob', Buffer.concat([base.bytes, base.bytes]));
          const first = ask(twice);
          const next = ask(base, 'task.txt', { parent: first.commit.id, parentTree: first.tree.bytes });
          const delta = copyDelta(base.bytes.length, 2);
          return {
            who: 'bot',
            commands: [{ ...next.command, oldId: bridge.tip }],
            entries: [first.commit, first.tree, { baseId: base.id, delta }, next.commit, next.tree],
          };
        },
      ],
      [
        'beside a claim that came',
        () => {
          const built = citing(answering(hidden.answer), 'home-pc');
          const claim = claimBlob();
          return {
            commands: [
              ...(built.commands ?? []),
              { oldId: ZERO_ID, newId: claim.id, ref: claimRef(bridge.openToo.id) },
            ],
            entries: [...(built.entries ?? []), claim],
          };
        },
      ],
    ]);
  });

  describe('a commit', () => {
    const child = (parent: string): RawPush => {
      const built = ask(rawObject('blob', 'x'), 'task.txt', { parent });
      return { who: 'bot', commands: [{ ...built.command, oldId: bridge.tip }], entries: built.objects };
    };
    const to = (newId: string): RawPush => ({
      who: 'bot',
      commands: [{ oldId: bridge.tip, newId, ref: MAIN }],
      entries: [],
    });
    refuses([
      ['as what main is to be', () => to(hidden.commit)],
      ['of another author, as what main is to be', () => to(hidden.draft.id)],
      ['as the parent', () => child(hidden.commit)],
      ['of another author, as the parent', () => child(hidden.draft.id)],
      [
        'as the parent of a parent',
        () => {
          const one = ask(rawObject('blob', 'x'), 'task.txt', { parent: hidden.draft.id });
          const two = ask(rawObject('blob', 'y'), 'task.txt', { parent: one.commit.id });
          return {
            who: 'bot',
            commands: [{ ...two.command, oldId: bridge.tip }],
            entries: [...one.objects, ...two.objects],
          };
        },
      ],
      ['as a claim', () => point(claimRef(bridge.open.id), hidden.draft.id)],
      ['as a presence', () => point('refs/bridge/agents/home-pc', hidden.draft.id)],
    ]);
  });

  describe('a tree', () => {
    const withTree = (id: string): RawPush => {
      const built = ask(rawObject('blob', 'x'), 'task.txt', {
        headers: ({ parent, author, committer }) =>
          `tree ${id}\nparent ${parent}\nauthor ${author}\ncommitter ${committer}\n`,
      });
      return { who: 'bot', commands: [built.command], entries: [built.commit] };
    };
    const withEntry = (mode: string, name: string, id: string): RawPush => {
      const entry = Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]);
      const tree = rawObject('tree', Buffer.concat([bridge.tipTree, entry]));
      const built = ask(rawObject('blob', 'x'), 'task.txt', { tree: () => tree });
      return { who: 'bot', commands: [built.command], entries: [built.commit, tree] };
    };
    refuses([
      ['of a commit', () => withTree(hidden.file)],
      ['of a commit, with a folder in it', () => withTree(hidden.folder)],
      ['of a commit that asks', () => withTree(hidden.tree)],
      ['as a folder', () => withEntry('40000', 'zz', hidden.folder)],
      [
        'as a folder in the place of the file',
        () => {
          const raw = replaceTreeFile(bridge.tipTree, 'task.txt', hidden.folder).toString('latin1');
          const tree = rawObject(
            'tree',
            Buffer.from(raw.replace('100644 task.txt', '40000 task.txt'), 'latin1'),
          );
          const built = ask(rawObject('blob', 'x'), 'task.txt', { tree: () => tree });
          return { who: 'bot', commands: [built.command], entries: [built.commit, tree] };
        },
      ],
      [
        'with a blob in it, as a file of another name',
        () => withEntry('100644', 'zz', hidden.tasks.branch.id),
      ],
      ['as a claim', () => point(claimRef(bridge.open.id), hidden.folder)],
    ]);
  });

  // Four bytes of it have as many possible ids as can be tried in an evening: an id tells them.
  describe('by the id of what a delta makes of it: ', () => {
    const piece = () => {
      const { id, bytes } = hidden.tasks.packed;
      const made = rawObject('blob', bytes.subarray(20, 24));
      return { made, entry: { baseId: id, delta: pieceDelta(bytes.length, 20, 4) } };
    };
    const untold = () => piece().made.id;
    refuses([
      [
        'a piece beside a task',
        () => {
          const built = ask(rawObject('blob', 'x'));
          return { who: 'bot', commands: [built.command], entries: [...built.objects, piece().entry] };
        },
        { told: /\[shape\].*a blob came along/, untold },
      ],
      [
        'a piece beside a claim',
        () => {
          const claim = claimBlob();
          return { ...point(claimRef(bridge.open.id), claim.id), entries: [claim, piece().entry] };
        },
        { told: /\[shape\].*a blob came along/, untold },
      ],
      [
        'a commit',
        () => {
          const built = ask(rawObject('blob', 'x'));
          const delta = copyDelta(hidden.draft.bytes.length, 1, 'x');
          const entries = [...built.objects, { baseId: hidden.draft.id, delta }];
          return { who: 'bot', commands: [built.command], entries };
        },
        {
          told: /\[shape\].*a commit has a tree with more/,
          untold: () => rawObject('commit', `${hidden.draft.bytes}x`).id,
        },
      ],
    ]);
  });

  describe('beside main, ', () => {
    const presence = 'refs/bridge/agents/home-pc';
    const models = 'refs/bridge/models/home-pc';
    refuses([
      ['a text, as a claim', () => point(claimRef(bridge.open.id), hidden.text.id)],
      ['a task, as a claim', () => point(claimRef(bridge.open.id), hidden.tasks.packed.id)],
      ['a claim that nobody made, as a claim', () => point(claimRef(bridge.open.id), hidden.claim.id)],
      ['a text, as a presence', () => point(presence, hidden.text.id)],
      ['an answer, as a presence', () => point(presence, hidden.answer.id)],
      ['a presence that nobody wrote, as a presence', () => point(presence, hidden.presence.id)],
      ['a text, as models', () => point(models, hidden.text.id)],
      ['models that nobody has, as models', () => point(models, hidden.models.id)],
      [
        'a claim that a delta makes of itself',
        () => ({ ...point(claimRef(bridge.open.id), hidden.claim.id), entries: [same(hidden.claim)] }),
      ],
    ]);
  });
});

describe('where no process stands by, the hook by itself refuses', () => {
  beforeAll(async () => {
    const args = ['-n', join(bridge.fixture.repoPath, 'bridge'), 'sh', '-c', 'echo held; cat'];
    const holder = spawn('flock', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    onCleanup(() => void holder.stdin.end());
    await once(holder.stdout, 'data');
  });

  refuses([
    ['a blob that nothing refers to', () => asking(hidden.tasks.loose)],
    ['an answer that is none', () => citing(answering(hidden.text), 'home-pc')],
    ['the second commit of a push', () => second(hidden.tasks.packed)],
    ['a commit of the owner', () => ({ who: 'bot', ...point(MAIN, hidden.commit) })],
    ['a claim', () => point(claimRef(bridge.open.id), hidden.text.id)],
  ]);
});

test('neither a fetch nor a push is told names and ids of refs that are not for keys', async () => {
  const { fixture } = bridge;
  for (const command of ['git-upload-pack', 'git-receive-pack']) {
    const client = openRawClient(fixture, fixture.principal('bot'), `${command} '${fixture.repoPath}'`);
    const lines = await client.advertisement();
    client.send(pktLine(null));
    client.end();
    await client.closed;
    const named = lines.map((line) => /^([0-9a-f]{40}) ([^\0\n]+)/.exec(line)?.slice(1));
    expect(named.filter((one) => one?.[1] !== 'HEAD')).toEqual([[bridge.tip, MAIN]]);
  }
});

describe('let in where it is left out is what every key can read', () => {
  const accepts = async (push: RawPush) => {
    const { text } = await rawPush(bridge, push);
    for (const { ref } of push.commands ?? []) expect(text).toContain(`ok ${ref}`);
  };

  test('a text that main has in another file, and one that it had in this file', async () => {
    const before = rawObject('blob', 'answered already');
    const json = rawObject('blob', '{"prompt":"the same in two files"}');
    const first = ask(json, 'task.json');
    await accepts({ who: 'bot', commands: [first.command], entries: first.objects });
    const onTop = (built: BuiltCommit) => ({ parent: built.commit.id, parentTree: built.tree.bytes });
    const second = ask(json, 'task.txt', onTop(first));
    await accepts(citing(second, 'bot'));
    const third = ask(before, 'task.txt', onTop(second));
    await accepts(citing(third, 'bot'));
    // In the other file it never was, and nobody leaves it out there.
    const fourth = ask(rawObject('blob', '3+3?'), 'task.json', onTop(third));
    expect((await rawPush(bridge, citing(fourth, 'bot'))).text).toMatch(/refused \[shape\].*did not come/);
  });

  test('a claim that is there, for another task; and once it is gone, it has to be sent, which is seen', async () => {
    const claim = claimBlob();
    const [one, two] = [claimRef(bridge.open.id), claimRef(bridge.openToo.id)];
    await accepts({ ...point(one, claim.id), entries: [claim] });
    await accepts(point(two, claim.id));
    await gitOk(['update-ref', '--stdin'], { ...owner(), input: `delete ${one}\ndelete ${two}\n` });
    const { text } = await rawPush(bridge, point(one, claim.id));
    expect(text).toMatch(/refused \[payload\].*did not come/);
    await accepts({ ...point(one, claim.id), entries: [claim] });
  });
});
