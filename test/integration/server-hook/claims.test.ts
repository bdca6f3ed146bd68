import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Claim, claimRef, writeClaim } from '../../../src/protocol/claim.js';
import { type AgentModels, modelsRef, writeModels } from '../../../src/protocol/models.js';
import { type Presence, writePresence } from '../../../src/protocol/presence.js';
import { parseRefusal, type RefusalCode } from '../../../src/protocol/refusal.js';
import { aPresence } from '../../support/a-presence.js';
import { runCli } from '../../support/cli.js';
import { git, gitOk } from '../../support/git.js';
import { anAnswer, type MessageWriter, messageWriter } from '../../support/message-writer.js';
import { writeObjectFile } from '../../support/object-files.js';
import { ourLines, type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';

// SECURITY.md: P8, P19

const MAIN = 'refs/heads/main';
const ZERO = '0'.repeat(40);
const MINE = '1'.repeat(16);
const THEIRS = '2'.repeat(16);

/** The bridge all the refused pushes go to: none of them may change it, so they can share it. */
let bridge: PlainBridge;
let write: MessageWriter;
let root: string;
let old: string;
let answered: string;
/**
 * Open tasks: one nobody has claimed, one held by other-pc, one held by it until a moment ago, and many
 * more.
 */
let open: string;
let held: string;
let over: string;
let many: string[];
let answer: string;
let tip: string;
let heldClaim: string;
let overClaim: string;

const at = (ms: number) => new Date(Date.now() + ms).toISOString();
const claim = (other: Partial<Claim> = {}): Claim => ({
  agent: 'home-pc',
  session: MINE,
  until: at(60_000),
  ...other,
});
const blob = (other: Partial<Claim> = {}) => write.blob(writeClaim(claim(other)));
const presence = (other: Partial<Presence> = {}) =>
  aPresence({ session: MINE, backends: ['ollama'], models: ['llama3.2:latest'], ...other });
const presenceBlob = (other: Partial<Presence> = {}) => write.blob(writePresence(presence(other)));
const AGENT = 'refs/bridge/agents/home-pc';

/** Puts a ref into a bridge behind its hook, as only the owner can. */
async function plant(to: PlainBridge, ref: string, bytes: string | Uint8Array): Promise<string> {
  const id = writeObjectFile(to.repoPath, 'blob', bytes);
  await gitOk(['update-ref', ref, id], { gitDir: to.repoPath, env: to.env });
  // The clone that pushes has it too, as one that has fetched.
  writeObjectFile(to.cloneDir, 'blob', bytes);
  return id;
}

async function refOf(of: PlainBridge, ref: string): Promise<string> {
  const found = await git(['rev-parse', '--verify', '--quiet', ref], { gitDir: of.repoPath, env: of.env });
  return found.stdout.trim();
}

beforeAll(async () => {
  bridge = await startPlainBridge({
    principals: { 'home-pc': 'agent', 'other-pc': 'agent', bot: 'asker' },
    hooks: 'here',
  });
  write = bridge.writer;
  root = await bridge.tip();
  old = await write.ask(root, 'old', { secondsFromNow: -1800 });
  answered = await write.ask(old, 'answered');
  open = await write.ask(answered, 'open');
  held = await write.ask(open, 'held');
  over = await write.ask(held, 'over');
  many = [];
  for (let n = 0; n < 60; n += 1) many.push(await write.ask(many.at(-1) ?? over, `many ${n}`));
  answer = await write.answer(many.at(-1) ?? '', anAnswer(answered, 'answered'));
  tip = await bridge.pushOk(answer);
  await gitOk(['config', 'bridge.taskTtl', '20m'], { gitDir: bridge.repoPath, env: bridge.env });
  const theirs = { agent: 'other-pc', session: THEIRS };
  heldClaim = await plant(bridge, claimRef(held), writeClaim(claim({ ...theirs, until: at(200_000) })));
  overClaim = await plant(bridge, claimRef(over), writeClaim(claim({ ...theirs, until: at(-1) })));
});

type Push = () => Promise<string[]> | string[];
type Refused = readonly [what: string, code: RefusalCode, names: string, push: Push, principal?: string];

function refuses(cases: readonly Refused[]): void {
  for (const [what, code, names, push, principal = 'home-pc'] of cases)
    test(`${what} is refused as ${code}`, async () => {
      const refspecs = await push();
      const before = await bridge.snapshot();

      const result = await bridge.push(refspecs, principal);

      expect(result.exitCode).not.toBe(0);
      const lines = ourLines(result.stderr);
      expect(lines, result.stderr).toHaveLength(1);
      const refusal = parseRefusal(lines[0] ?? '');
      expect(refusal, result.stderr).toMatchObject({ code });
      expect(refusal?.text).toContain(names);
      expect(refusal?.text).toContain(principal);
      expect(refusal?.remedy).not.toBe('');
      expect(await bridge.snapshot()).toBe(before);
    });
}

const to = (task: string, id: string) => [`+${id}:${claimRef(task)}`];

describe('the claim itself', () => {
  refuses([
    ['a claim by an asker', 'role', 'only agents', async () => to(open, await blob({ agent: 'bot' })), 'bot'],
    [
      "a claim in another's name",
      'author',
      "says other-pc, the key is home-pc's",
      async () => to(open, await blob({ agent: 'other-pc' })),
    ],
    [
      'a lease of more than five minutes',
      'clock',
      'the limit is 5 min',
      async () => to(open, await blob({ until: at(5 * 60_000 + 30_000) })),
    ],
    ['a lease that is over', 'clock', 'ended', async () => to(open, await blob({ until: at(-1000) }))],
    [
      'a lease until next year',
      'clock',
      'limit',
      async () => to(open, await blob({ until: at(400 * 86_400_000) })),
    ],
    [
      'another form of the same claim',
      'payload',
      'one form',
      async () => to(open, await write.blob(`${JSON.stringify(claim(), null, 1)}\n`)),
    ],
    [
      'an unknown field',
      'payload',
      'extra',
      async () => to(open, await write.blob(`${JSON.stringify({ ...claim(), extra: 1 })}\n`)),
    ],
    ['what is no JSON', 'payload', 'not JSON', async () => to(open, await write.blob('mine\n'))],
    ['an empty blob', 'payload', 'not JSON', async () => to(open, await write.blob(''))],
    [
      'a claim of a megabyte',
      'limit',
      'the limit is 512',
      async () => to(open, await write.blob('x'.repeat(1024 * 1024))),
    ],
    ['a commit in the place of a claim', 'shape', 'a commit', () => to(open, tip)],
    ['a tree in the place of a claim', 'shape', 'came along', async () => to(open, await write.treeOf(tip))],
    [
      'a new commit in the place of a claim',
      'shape',
      'belongs to no claim',
      async () => to(open, await write.ask(tip, 'inside')),
    ],
    [
      'a tag in the place of a claim',
      'shape',
      'a tag',
      async () => {
        const input = `object ${heldClaim}\ntype blob\ntag x\ntagger a <a@b> 1700000000 +0000\n\nx\n`;
        const where = { gitDir: bridge.cloneDir, env: bridge.env, input };
        return to(open, (await gitOk(['hash-object', '-t', 'tag', '-w', '--stdin'], where)).trim());
      },
    ],
  ]);
});

describe('the task of a claim', () => {
  refuses([
    ['a claim on a made-up task', 'unknown-task', 'not a task', async () => to('a'.repeat(40), await blob())],
    ['a claim on the root', 'unknown-task', 'not a task', async () => to(root, await blob())],
    ['a claim on an answer', 'unknown-task', 'not a task', async () => to(answer, await blob())],
    ['a claim on a blob', 'unknown-task', 'not a task', async () => to(heldClaim, await blob())],
    [
      'a claim on a task that is not on main',
      'unknown-task',
      'not a task',
      async () => to(await write.ask(tip, 'never pushed'), await blob()),
    ],
    ['a claim on an answered task', 'answered', 'its answer already', async () => to(answered, await blob())],
    ['a claim on a task out of time', 'expired', 'is over', async () => to(old, await blob())],
    [
      'a good claim, and one on an answered task',
      'answered',
      'its answer already',
      async () => [...to(open, await blob()), ...to(answered, await blob())],
    ],
  ]);
});

describe('the holder of a claim', () => {
  refuses([
    [
      'a second claim on a live lease',
      'claimed',
      'held by other-pc until',
      async () => to(held, await blob()),
    ],
    [
      'a claim by the same name from another PC',
      'claimed',
      'held by other-pc',
      async () => to(held, await blob({ agent: 'other-pc' })),
      'other-pc',
    ],
    ["the end of another's live claim", 'claimed', 'held by other-pc', () => [`:${claimRef(held)}`]],
    [
      "a good claim, and the end of another's",
      'claimed',
      'held by other-pc',
      async () => [...to(open, await blob()), `:${claimRef(held)}`],
    ],
    [
      "an answer, and the end of another's live claim on another task",
      'claimed',
      'held by other-pc',
      async () => [
        `${await write.answer(tip, anAnswer(open, 'open'), { author: 'home-pc' })}:${MAIN}`,
        `:${claimRef(held)}`,
      ],
    ],
    [
      'an answer, and a claim on its own task',
      'answered',
      'its answer already',
      async () => [
        `${await write.answer(tip, anAnswer(open, 'open'), { author: 'home-pc' })}:${MAIN}`,
        ...to(open, await blob()),
      ],
    ],
  ]);

  test('the old value is what is there, whatever the client says', async () => {
    const mine = await plant(bridge, 'refs/bridge/made-up', writeClaim(claim()));
    await gitOk(['update-ref', '-d', 'refs/bridge/made-up'], { gitDir: bridge.repoPath, env: bridge.env });
    for (const said of [ZERO, mine, 'e'.repeat(40)]) {
      const result = await runProcess(join(bridge.repoPath, 'hooks', 'pre-receive'), [], {
        cwd: bridge.repoPath,
        env: { ...bridge.env, GIT_DIR: '.', LLM_BRIDGE_PRINCIPAL: 'home-pc' },
        input: `${said} ${mine} ${claimRef(held)}\n`,
      });
      expect(parseRefusal(result.stderr)).toMatchObject({ code: 'stale' });
    }
  });
});

describe('presence', () => {
  const to = (id: string, ref = AGENT) => [`+${id}:${ref}`];
  refuses([
    [
      'the presence of an asker',
      'role',
      'only agents',
      async () => to(await presenceBlob(), 'refs/bridge/agents/bot'),
      'bot',
    ],
    [
      'the presence of another',
      'author',
      "other-pc's, the key is home-pc's",
      async () => to(await presenceBlob({ agent: 'other-pc' }), 'refs/bridge/agents/other-pc'),
    ],
    [
      'a presence that says another name',
      'author',
      'says other-pc',
      async () => to(await presenceBlob({ agent: 'other-pc' })),
    ],
    [
      'a presence of tomorrow',
      'clock',
      'ahead of',
      async () => to(await presenceBlob({ seen_at: at(86_400_000) })),
    ],
    [
      'a presence of yesterday',
      'clock',
      'behind',
      async () => to(await presenceBlob({ seen_at: at(-86_400_000) })),
    ],
    [
      'a presence in another form',
      'payload',
      'one form',
      async () => to(await write.blob(JSON.stringify(presence()))),
    ],
    [
      'a presence of five kilobytes',
      'limit',
      'the limit is 4096',
      async () => to(await write.blob('x'.repeat(5000))),
    ],
    ['a commit in the place of a presence', 'shape', 'a commit', () => to(tip)],
    ['a claim in the place of a presence', 'payload', 'presence', async () => to(await blob())],
  ]);

  test('an agent writes, changes and removes its own, and nothing of it is in history', async () => {
    const before = await bridge.snapshot();
    for (const state of ['running', 'stopped'] as const) {
      const id = await presenceBlob({ state });
      expect(await bridge.push(to(id), 'home-pc')).toMatchObject({ exitCode: 0 });
      expect(await refOf(bridge, AGENT)).toBe(id);
    }
    expect(await bridge.push([`:${AGENT}`], 'home-pc')).toMatchObject({ exitCode: 0 });
    const refs = (text: string) => text.split('---\n').filter((_, part) => part !== 1);
    expect(refs(await bridge.snapshot())).toEqual(refs(before));
  });

  test("another's cannot be removed", async () => {
    const own = await startPlainBridge({
      principals: { 'home-pc': 'agent', 'other-pc': 'agent' },
      hooks: 'here',
    });
    await plant(own, 'refs/bridge/agents/other-pc', writePresence(presence({ agent: 'other-pc' })));
    const result = await own.push([':refs/bridge/agents/other-pc'], 'home-pc');
    expect(parseRefusal(result.stderr)).toMatchObject({ code: 'author' });
    expect(await refOf(own, 'refs/bridge/agents/other-pc')).not.toBe('');
  });
});

describe('models', () => {
  const MINE_TOO = modelsRef('home-pc');
  const models = (other: Partial<AgentModels> = {}): AgentModels => ({
    agent: 'home-pc',
    at: at(0),
    models: [{ name: 'llama3.2:latest', backend: 'ollama', can: ['chat'] }],
    ...other,
  });
  const modelsBlob = (other: Partial<AgentModels> = {}) => write.blob(writeModels(models(other)));
  const to = (id: string, ref = MINE_TOO) => [`+${id}:${ref}`];
  refuses([
    [
      'the models of an asker',
      'role',
      'only agents',
      async () => to(await modelsBlob(), modelsRef('bot')),
      'bot',
    ],
    [
      'the models of another',
      'author',
      "other-pc's, the key is home-pc's",
      async () => to(await modelsBlob({ agent: 'other-pc' }), modelsRef('other-pc')),
    ],
    [
      'models that say another name',
      'author',
      'says other-pc',
      async () => to(await modelsBlob({ agent: 'other-pc' })),
    ],
    ['models of tomorrow', 'clock', 'ahead of', async () => to(await modelsBlob({ at: at(86_400_000) }))],
    [
      'models in another form',
      'payload',
      'one form',
      async () => to(await write.blob(JSON.stringify(models()))),
    ],
    ['40 kB of models', 'limit', 'the limit is 32768', async () => to(await write.blob('x'.repeat(40_000)))],
    ['a commit in the place of models', 'shape', 'a commit', () => to(tip)],
    ['a claim in the place of models', 'payload', 'list of models', async () => to(await blob())],
  ]);

  test('an agent says what it has beside its presence, changes and removes it, and each change rings', async () => {
    const bell = () => readFile(join(bridge.repoPath, 'bridge', 'bell'), 'utf8').catch(() => '');
    let rung = await bell();
    for (const [at, one] of [[], models().models].entries()) {
      const id = await modelsBlob({ models: one });
      const beside = at === 0 ? [`+${await presenceBlob()}:${AGENT}`] : [];
      expect(await bridge.push([...to(id), ...beside], 'home-pc')).toMatchObject({ exitCode: 0 });
      expect(await refOf(bridge, MINE_TOO)).toBe(id);
      expect(await bell()).not.toBe(rung);
      rung = await bell();
    }
    // What was changed meanwhile is not written over.
    const stale = await runProcess(join(bridge.repoPath, 'hooks', 'pre-receive'), [], {
      cwd: bridge.repoPath,
      env: { ...bridge.env, GIT_DIR: '.', LLM_BRIDGE_PRINCIPAL: 'home-pc' },
      input: `${ZERO} ${await refOf(bridge, MINE_TOO)} ${MINE_TOO}\n`,
    });
    expect(parseRefusal(stale.stderr)).toMatchObject({ code: 'stale' });
    expect(await bridge.push([`:${MINE_TOO}`, `:${AGENT}`], 'home-pc')).toMatchObject({ exitCode: 0 });
    expect(await bell()).not.toBe(rung);
    expect(await refOf(bridge, MINE_TOO)).toBe('');
  });
});

describe('the refs of a push', () => {
  refuses([
    ['a claim below a claim', 'ref', '/x', async () => [`${await blob()}:${claimRef(open)}/x`]],
    [
      'a claim on half an id',
      'ref',
      'not a ref of a bridge',
      async () => [`${await blob()}:${claimRef('abcd')}`],
    ],
    [
      'a claim on an id of another length',
      'ref',
      'not a ref of a bridge',
      async () => [`${await blob()}:${claimRef('a'.repeat(64))}`],
    ],
    [
      'a claim on an id in capitals',
      'ref',
      'not a ref of a bridge',
      async () => [`${await blob()}:${claimRef(open.toUpperCase())}`],
    ],
    ['a blob as main', 'stale', 'main', async () => [`+${await blob()}:${MAIN}`]],
    [
      'a claim, and a branch',
      'ref',
      'exactly one',
      async () => [...to(open, await blob()), `${tip}:refs/heads/x`],
    ],
    [
      'a claim, a presence, and a ref of no kind',
      'ref',
      'exactly one',
      async () => [
        ...to(open, await blob()),
        `${await presenceBlob()}:${AGENT}`,
        `${await blob()}:refs/notes/x`,
      ],
    ],
    [
      'a stowaway beside a claim',
      'shape',
      'belongs to no claim',
      async () => to(open, await write.ask(tip, 'inside')),
    ],
    [
      'sixty-one claims',
      'limit',
      'more than 60 refs',
      async () => {
        const id = await blob();
        return [...many, open].flatMap((task) => to(task, id));
      },
    ],
    [
      'a good task, and a claim by its asker',
      'role',
      'only agents',
      async () => [
        `${await write.ask(tip, 'q', { author: 'bot' })}:${MAIN}`,
        ...to(open, await blob({ agent: 'bot' })),
      ],
      'bot',
    ],
    [
      'a bad answer, and a good claim',
      'payload',
      'SHA-256',
      async () => [
        `${await write.answer(tip, anAnswer(open, 'wrong'), { author: 'home-pc' })}:${MAIN}`,
        ...to(many[0] ?? '', await blob()),
      ],
    ],
  ]);

  test.each([
    ['a claim twice', () => [claimRef(open), claimRef(open)]],
    ['main twice', () => [MAIN, MAIN]],
    ['a presence twice', () => [AGENT, AGENT]],
    ['models twice', () => [modelsRef('home-pc'), modelsRef('home-pc')]],
  ])('handed to the hook, %s is refused', async (_what, refs) => {
    const id = await blob();
    const result = await runProcess(join(bridge.repoPath, 'hooks', 'pre-receive'), [], {
      cwd: bridge.repoPath,
      env: { ...bridge.env, GIT_DIR: '.', LLM_BRIDGE_PRINCIPAL: 'home-pc' },
      input: refs()
        .map((ref) => `${ZERO} ${id} ${ref}\n`)
        .join(''),
    });
    expect(parseRefusal(result.stderr)).toMatchObject({
      code: 'ref',
      text: expect.stringContaining('one ref'),
    });
  });

  test('main cannot be deleted, alone, nor beside the end of a claim', async () => {
    for (const refspecs of [[`:${MAIN}`], [`:${MAIN}`, `:${claimRef(over)}`]]) {
      const result = await bridge.push(refspecs, 'home-pc');
      expect(parseRefusal(result.stderr)).toMatchObject({ code: 'ref' });
      expect(await bridge.tip()).toBe(tip);
      expect(await refOf(bridge, claimRef(over))).toBe(overClaim);
    }
  });

  test('a bad claim keeps main where it is, with --atomic and without', async () => {
    const id = await write.answer(tip, anAnswer(open, 'open'), { author: 'home-pc' });
    for (const atomic of [[], ['--atomic']]) {
      const before = await bridge.snapshot();
      const result = await bridge.push([...atomic, `${id}:${MAIN}`, ...to(held, await blob())], 'home-pc');
      expect(parseRefusal(result.stderr)).toMatchObject({ code: 'claimed' });
      expect(await bridge.snapshot()).toBe(before);
    }
  });
});

test('a push without main does not start ingest, and a task that is handed back rings', async () => {
  const own = await startPlainBridge({ principals: { 'home-pc': 'agent' }, hooks: 'here' });
  const asked = await own.writer.ask(await own.tip(), 'one');
  const askedToo = await own.pushOk(await own.writer.ask(asked, 'two'));
  // An answer that nobody has logged: the next ingest would.
  const inBridge = messageWriter(own.repoPath, own.env);
  const unlogged = await inBridge.answer(askedToo, anAnswer(asked, 'one'));
  await gitOk(['update-ref', MAIN, unlogged], { gitDir: own.repoPath, env: own.env });
  await gitOk(['fetch', '--quiet', own.repoPath, MAIN], { gitDir: own.cloneDir, env: own.env });
  const id = await own.writer.blob(writeClaim(claim()));
  const notifier = () => readFile(join(own.repoPath, 'bridge', 'bell'), 'utf8').catch(() => '');

  for (const refspec of [`${id}:${claimRef(askedToo)}`, `:${claimRef(askedToo)}`]) {
    expect(await notifier()).toBe('');
    expect(await own.push([refspec], 'home-pc')).toMatchObject({ exitCode: 0 });
    expect(await own.readLog()).toBe('');
  }
  expect(await notifier()).not.toBe('');
  const rung = await notifier();
  await own.push([`${id}:${claimRef(askedToo)}`], 'home-pc');
  const last = await own.writer.answer(unlogged, anAnswer(askedToo, 'two'), { author: 'home-pc' });
  const said = await own.push(['--atomic', `${last}:${MAIN}`, `:${claimRef(askedToo)}`], 'home-pc');
  expect(ourLines(said.stderr)).toEqual(['llm-bridge: 2 answers logged, the last as no. 2']);
  // main rings by itself.
  expect(await notifier()).toBe(rung);
});

test('init brings an older bridge so far that claims are seen', async () => {
  const own = await startPlainBridge({ principals: { 'home-pc': 'agent' }, hooks: 'here' });
  const where = { gitDir: own.repoPath, env: own.env };
  const asked = await own.pushOk(await own.writer.ask(await own.tip(), 'one'));
  await plant(own, claimRef(asked), writeClaim(claim()));
  await plant(own, modelsRef('home-pc'), 'what it has');
  await plant(own, 'refs/bridge/watch/x', 'the memory of a watcher');
  for (const args of [
    ['--replace-all', 'transfer.hideRefs', 'refs/bridge'],
    ['--replace-all', 'uploadpack.hideRefs', 'refs'],
    ['--add', 'uploadpack.hideRefs', '!refs/heads/main'],
    ['--unset', 'bridge.claimLease'],
  ])
    await gitOk(['config', ...args], where);
  const seen = async () =>
    (await gitOk(['ls-remote', own.repoPath], { env: own.env })).match(/refs\/bridge\/\S+/g);
  expect(await seen()).toBeNull();

  const again = await runCli(['init', own.repoPath], { env: own.env });

  expect(again.stdout).toContain('uploadpack.hideRefs');
  expect(await seen()).toEqual([claimRef(asked), modelsRef('home-pc')]);
  expect(await gitOk(['config', 'bridge.claimLease'], where)).toBe('60s\n');
});

describe('what is good is let in', () => {
  let own: PlainBridge;
  let asked: string;
  let askedToo: string;

  const push = async (refspecs: readonly string[], who = 'home-pc') => {
    const result = await own.push(refspecs, who);
    expect(result.exitCode, result.stderr).toBe(0);
    expect(ourLines(result.stderr).filter((line) => line.includes('refused'))).toEqual([]);
    return ourLines(result.stderr);
  };
  const ours = (other: Partial<Claim> = {}) => own.writer.blob(writeClaim(claim(other)));

  beforeAll(async () => {
    own = await startPlainBridge({
      principals: { 'home-pc': 'agent', 'other-pc': 'agent', bot: 'asker' },
      hooks: 'here',
    });
    asked = await own.writer.ask(await own.tip(), 'one', { author: 'bot' });
    askedToo = await own.writer.ask(asked, 'two', { author: 'bot' });
    await own.pushOk(askedToo, 'bot');
  });

  test('a claim is made, renewed, and let go by its holder', async () => {
    const first = await ours();
    await push([`${first}:${claimRef(asked)}`]);
    const renewed = await ours({ until: at(299_000) });
    await push([`+${renewed}:${claimRef(asked)}`]);
    expect(await refOf(own, claimRef(asked))).toBe(renewed);
    await push([`:${claimRef(asked)}`]);
    expect(await refOf(own, claimRef(asked))).toBe('');
  });

  test('a claim whose lease is over is taken over, and removed by anybody', async () => {
    const theirs = { agent: 'other-pc', session: THEIRS, until: at(-1) };
    await plant(own, claimRef(asked), writeClaim(claim(theirs)));
    const taken = await ours();
    await push([`+${taken}:${claimRef(asked)}`]);
    expect(await refOf(own, claimRef(asked))).toBe(taken);
    await plant(own, claimRef(asked), writeClaim(claim(theirs)));
    await push([`:${claimRef(asked)}`]);
    expect(await refOf(own, claimRef(asked))).toBe('');
  });

  test('a claim that nobody can read keeps nobody out', async () => {
    await plant(own, claimRef(asked), 'left by a version to come');
    await push([`+${await ours()}:${claimRef(asked)}`]);
    await push([`:${claimRef(asked)}`]);
  });

  test('claims and a presence come in together, and one claim may serve many tasks', async () => {
    const id = await ours();
    const here = await own.writer.blob(writePresence(presence()));
    await push([`${id}:${claimRef(asked)}`, `${id}:${claimRef(askedToo)}`, `${here}:${AGENT}`]);
    expect(await refOf(own, claimRef(askedToo))).toBe(id);
    await push([`:${claimRef(asked)}`, `:${claimRef(askedToo)}`, `:${AGENT}`]);
  });

  test('the owner claims by any name, and may remove any claim, but takes none that is live', async () => {
    const where = { agent: 'closet-pc' };
    await plant(own, claimRef(asked), writeClaim(claim({ agent: 'other-pc', session: THEIRS })));
    const id = await ours(where);
    const taken = await own.push([`+${id}:${claimRef(asked)}`]);
    expect(parseRefusal(taken.stderr)).toMatchObject({ code: 'claimed' });
    expect((await own.push([`:${claimRef(asked)}`])).exitCode).toBe(0);
    expect((await own.push([`${id}:${claimRef(asked)}`])).exitCode).toBe(0);
    expect((await own.push([`:${claimRef(asked)}`])).exitCode).toBe(0);
  });

  test('an answer takes its claim along in one push, and the claim of another with it', async () => {
    await push([`${await ours()}:${claimRef(asked)}`]);
    await plant(own, claimRef(askedToo), writeClaim(claim({ agent: 'other-pc', session: THEIRS })));
    const by = { author: 'home-pc' };
    const one = await own.writer.answer(await own.tip(), anAnswer(asked, 'one'), by);
    const two = await own.writer.answer(one, anAnswer(askedToo, 'two'), by);

    const said = await push(['--atomic', `${two}:${MAIN}`, `:${claimRef(asked)}`, `:${claimRef(askedToo)}`]);

    expect(said).toEqual(['llm-bridge: 2 answers logged, the last as no. 2']);
    expect(await own.tip()).toBe(two);
    const refs = await gitOk(['for-each-ref', '--format=%(refname)'], { gitDir: own.repoPath, env: own.env });
    expect(refs).toBe(`${MAIN}\n`);
  });
});
