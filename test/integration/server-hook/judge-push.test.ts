import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TreeEntry } from '../../../src/git/git-objects.js';
import { writeAnswer } from '../../../src/protocol/answer.js';
import { answerMessage } from '../../../src/protocol/commit-message.js';
import { parseRefusal, type RefusalCode } from '../../../src/protocol/refusal.js';
import { gitOk } from '../../support/git.js';
import { anAnswer, type MessageWriter, messageWriter, writeMany } from '../../support/message-writer.js';
import { ourLines, type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P8, P9, P12, P13, P14, P15, P16, P17, P18, P23

const MAIN = 'refs/heads/main';

/** The bridge all the refused pushes go to: none of them may change it, so they can share it. */
let bridge: PlainBridge;
let write: MessageWriter;
let root: string;
let open: string;
let answered: string;
let answer: string;
let old: string;
/** The tip of main. */
let tip: string;

beforeAll(async () => {
  bridge = await startPlainBridge({
    principals: { 'home-pc': 'agent', bot: 'asker', odd: 'admin' },
    hooks: 'here',
  });
  write = bridge.writer;
  root = await bridge.tip();
  old = await write.ask(root, 'old', { secondsFromNow: -1800 });
  answered = await write.ask(old, 'answered');
  open = await write.ask(answered, 'open');
  answer = await write.answer(open, anAnswer(answered, 'answered'));
  tip = await bridge.pushOk(answer);
  expect((await bridge.readLog()).split('\n')).toHaveLength(2);
});

/** What is pushed: refspecs, or the id of a commit for main. */
type Push = () => Promise<string | string[]> | string | string[];
type Refused = readonly [what: string, code: RefusalCode, names: string, push: Push, principal?: string];

function refuses(cases: readonly Refused[]): void {
  for (const [what, code, names, push, principal] of cases)
    test(`${what} is refused as ${code}`, async () => {
      const pushed = await push();
      const before = await bridge.snapshot();

      const result = await bridge.push(
        typeof pushed === 'string' ? [`${pushed}:${MAIN}`] : pushed,
        principal,
      );

      expect(result.exitCode).not.toBe(0);
      const lines = ourLines(result.stderr);
      expect(lines, result.stderr).toHaveLength(1);
      const refusal = parseRefusal(lines[0] ?? '');
      expect(refusal, result.stderr).toMatchObject({ code });
      expect(refusal?.text).toContain(names);
      expect(refusal?.remedy).not.toBe('');
      expect(await bridge.snapshot()).toBe(before);
    });
}

const good = () => write.ask(tip, 'a good one');
const goodAnswer = (other = {}, twist = {}) => write.answer(tip, anAnswer(open, 'open', other), twist);
const task = (bytes: string | Uint8Array, file = 'task.txt') => write.set(tip, file, bytes);
const replaced = (name: string, change: Partial<TreeEntry>) => ({
  entries: (entries: TreeEntry[]) =>
    entries.map((entry) => (entry.name === name ? { ...entry, ...change } : entry)),
});

describe('the update line', () => {
  refuses([
    [
      'two refs in one push',
      'ref',
      'exactly one ref',
      async () => [`${await good()}:${MAIN}`, `${tip}:refs/heads/two`],
    ],
    ['a push of nothing new under two names', 'ref', 'exactly one', () => [`${tip}:refs/a`, `${tip}:refs/b`]],
  ]);

  const zero = '0'.repeat(40);
  let treeId: string;
  let aside: string;
  const lines: readonly (readonly [what: string, stdin: () => string, code: RefusalCode])[] = [
    ['nothing', () => '', 'ref'],
    ['half a line', () => `${tip} ${tip} ${MAIN}`, 'ref'],
    ['a line break in the ref', () => `${tip} ${open} ${MAIN}\n${tip} ${open} refs/x\n`, 'ref'],
    ['a carriage return in the ref', () => `${tip} ${open} ${MAIN}\r\n`, 'ref'],
    ['a ref outside of refs/', () => `${tip} ${open} HEAD\n`, 'ref'],
    ['a ref beside main', () => `${tip} ${open} ${MAIN}x\n`, 'ref'],
    ['an old id that is not main', () => `${root} ${open} ${MAIN}\n`, 'stale'],
    ['a good commit on an old id that is not main', () => `${root} ${aside} ${MAIN}\n`, 'stale'],
    ['a made-up old id', () => `${'1'.repeat(40)} ${open} ${MAIN}\n`, 'stale'],
    ['an old id of zeros', () => `${zero} ${open} ${MAIN}\n`, 'ref'],
    ['a new id that does not exist', () => `${tip} ${'1'.repeat(40)} ${MAIN}\n`, 'internal'],
    ['a new id that is a tree', () => `${tip} ${treeId} ${MAIN}\n`, 'stale'],
  ];
  test.each(lines)('handed to the hook, %s is refused', async (_what, stdin, code) => {
    const result = await preReceive(stdin());

    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(parseRefusal(result.stderr)).toMatchObject({ code });
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
  });

  beforeAll(async () => {
    treeId = await write.treeOf(root);
    // The client says what the old id is; the object lies in the bridge, as one of a push that lost a race
    // would.
    aside = await messageWriter(bridge.repoPath, bridge.env).ask(root, 'aside');
  });
});

function preReceive(input: string): Promise<RunResult> {
  return runProcess(join(bridge.repoPath, 'hooks', 'pre-receive'), [], {
    cwd: bridge.repoPath,
    env: { ...bridge.env, GIT_DIR: '.' },
    input,
  });
}

describe('the ref', () => {
  refuses([
    ['another branch', 'ref', 'refs/heads/other', async () => [`${await good()}:refs/heads/other`]],
    ['a tag', 'ref', 'refs/tags/v1', () => [`${tip}:refs/tags/v1`]],
    ['a ref of ours', 'ref', 'refs/bridge/x', () => [`${tip}:refs/bridge/x`]],
    ['deleting main', 'ref', 'deleted', () => [`:${MAIN}`]],
  ]);
});

describe('the chain', () => {
  refuses([
    ['a push forced back', 'stale', 'turn main back', () => [`+${open}:${MAIN}`]],
    [
      'a push forced aside',
      'stale',
      'not on top',
      async () => [`+${await write.ask(open, 'aside')}:${MAIN}`],
    ],
    [
      'a merge',
      'shape',
      'merge',
      async () => write.commit({ parents: [tip, open], tree: await write.treeOf(tip), message: 'merge\n' }),
    ],
    [
      'a merge the other way round',
      'stale',
      'not on top',
      async () =>
        write.commit({
          parents: [await write.ask(open, 'side'), tip],
          tree: await write.treeOf(tip),
          message: 'm\n',
        }),
    ],
    [
      'another root',
      'stale',
      'not on top',
      async () => [
        `+${await write.commit({ parents: [], tree: await write.treeOf(root), message: 'root\n' })}:${MAIN}`,
      ],
    ],
    [
      '1001 commits',
      'limit',
      '1000 commits',
      async () => (await writeMany({ gitDir: bridge.cloneDir, env: bridge.env }, tip, 1001)).at(-1) ?? '',
    ],
  ]);
});

describe('the shape', () => {
  refuses([
    ['another file', 'shape', 'notes.txt', () => write.set(tip, 'notes.txt', 'hello')],
    ['a change of the README', 'shape', 'README.md', () => write.set(tip, 'README.md', 'hello')],
    [
      'two files in one commit',
      'shape',
      'task.json, task.txt',
      async () => {
        const id = await write.blob('{"prompt":"2+2"}');
        return write.ask(tip, 'two', {
          entries: (entries) => [
            ...entries.filter(({ name }) => name !== 'task.txt'),
            { mode: '100644', name: 'task.json', id },
            ...entries.filter(({ name }) => name === 'task.txt'),
          ],
        });
      },
    ],
    [
      'no file at all',
      'shape',
      'nothing',
      async () => write.commit({ parents: [tip], tree: await write.treeOf(tip), message: 'empty\n' }),
    ],
    [
      'a symlink',
      'shape',
      'task.txt',
      () => write.ask(tip, '/etc/passwd', replaced('task.txt', { mode: '120000' })),
    ],
    [
      'an executable',
      'shape',
      'task.txt',
      () => write.ask(tip, 'run', replaced('task.txt', { mode: '100755' })),
    ],
    [
      'the odd mode 100664',
      'shape',
      'task.txt',
      () => write.ask(tip, 'odd', replaced('task.txt', { mode: '100664' })),
    ],
    [
      'a submodule',
      'shape',
      'task.txt',
      () => write.ask(tip, 'sub', replaced('task.txt', { mode: '160000', id: tip })),
    ],
    [
      'a folder under the name of a task',
      'shape',
      'task.txt',
      async () => {
        const id = await writeTree('x');
        return write.ask(tip, 'folder', replaced('task.txt', { mode: '40000', id }));
      },
    ],
    [
      'a removed file',
      'shape',
      'task.txt',
      () =>
        write.ask(tip, 'gone', { entries: (entries) => entries.filter(({ name }) => name !== 'task.txt') }),
    ],
    [
      'a bad commit below a good one',
      'shape',
      'notes.txt',
      async () => write.ask(await write.set(tip, 'notes.txt', 'hello'), 'good'),
    ],
  ]);

  async function writeTree(name: string): Promise<string> {
    const blob = await write.blob('inside');
    const args = { gitDir: bridge.cloneDir, env: bridge.env, input: `100644 blob ${blob}\t${name}\n` };
    return (await gitOk(['mktree'], args)).trim();
  }
});

describe('the role', () => {
  refuses([
    ['an unknown key', 'principal', 'stranger', good, 'stranger'],
    ['an empty name', 'principal', '""', good, ''],
    ['a name with a path in it', 'principal', '../', good, '../principals/bot'],
    ['a key of an unknown role', 'principal', 'odd', good, 'odd'],
    [
      'an asker that answers',
      'role',
      'bot has the role asker',
      () => goodAnswer({ agent: 'bot' }, { author: 'bot' }),
      'bot',
    ],
    [
      'an agent that asks',
      'role',
      'home-pc has the role agent',
      () => write.ask(tip, 'why', { author: 'home-pc' }),
      'home-pc',
    ],
    [
      'an asker that asks and then answers',
      'role',
      'asker',
      async () => {
        const asked = await write.ask(tip, 'mine', { author: 'bot' });
        return write.answer(asked, anAnswer(asked, 'mine', { agent: 'bot' }), { author: 'bot' });
      },
      'bot',
    ],
  ]);
});

describe('the author', () => {
  refuses([
    ['a task by another name', 'author', '"eve"', () => write.ask(tip, 'q', { author: 'eve' }), 'bot'],
    ['an answer by another name', 'author', '"bot"', () => goodAnswer({}, { author: 'bot' }), 'home-pc'],
    [
      'the "agent" of another',
      'author',
      '"agent" says bot',
      () => goodAnswer({ agent: 'bot' }, { author: 'home-pc' }),
      'home-pc',
    ],
  ]);
});

describe('the clock', () => {
  refuses([
    ['a commit from the future', 'clock', 'ahead of', () => write.ask(tip, 'q', { secondsFromNow: 11 * 60 })],
    ['a commit from the past', 'clock', 'behind', () => write.ask(tip, 'q', { secondsFromNow: -61 * 60 })],
  ]);
});

describe('the payload', () => {
  const json = (value: unknown) => task(JSON.stringify(value), 'task.json');
  const inbox = (text: (good: string) => string) =>
    write.set(tip, 'inbox.json', text(writeAnswer(anAnswer(open, 'open')).toString()), {
      message: answerMessage(anAnswer(open, 'open')),
    });
  refuses([
    [
      'a task.txt that is not UTF-8',
      'payload',
      'not valid UTF-8',
      () => task(Buffer.from([0x61, 0xff, 0x62])),
    ],
    ['a task.txt with a byte order mark', 'payload', 'byte order mark', () => task('\ufeffq')],
    ['an empty task.txt', 'payload', 'is empty', () => task('')],
    [
      'a reply to a made-up task',
      'unknown-task',
      '"reply_to" aaaaaaaa',
      () => json({ prompt: 'q', reply_to: 'a'.repeat(40) }),
    ],
    [
      'a reply to a blob',
      'unknown-task',
      '"reply_to"',
      async () => json({ prompt: 'q', reply_to: await write.blob('q') }),
    ],
    ['a blank task.txt', 'payload', 'is empty', () => task(' \n\t\n')],
    [
      'a task.txt of one byte too many',
      'limit',
      '8388608 bytes',
      () => task('a'.repeat(8 * 1024 * 1024 + 1)),
    ],
    [
      'a task.json with an unknown field',
      'payload',
      'temprature',
      () => json({ prompt: 'q', temprature: 1 }),
    ],
    ['a task.json that is no JSON', 'payload', 'not JSON', () => task('{', 'task.json')],
    [
      'a task.json with a key twice',
      'payload',
      '"prompt" twice',
      () => task('{"prompt":"a","prompt":"b"}', 'task.json'),
    ],
    [
      'an inbox.json with an unknown field',
      'payload',
      'extra',
      () => inbox((text) => text.replace('{', '{"extra":1,')),
    ],
    [
      'an inbox.json with a key twice',
      'payload',
      'twice',
      () => inbox((text) => text.replace('{', '{"answer":"5",')),
    ],
    [
      'an inbox.json of one byte too many',
      'limit',
      '8388608 bytes',
      () => goodAnswer({ answer: 'a'.repeat(8 * 1024 * 1024) }),
    ],
    ['an answer without trailers', 'message', 'trailers', () => goodAnswer({}, { message: 'answer\n' })],
    [
      'an answer whose trailers name another task',
      'message',
      'trailers',
      () => goodAnswer({}, { message: answerMessage(anAnswer(answered, 'open')) }),
    ],
    [
      'an answer with a trailer twice',
      'message',
      'trailers',
      () => goodAnswer({}, { message: `${answerMessage(anAnswer(open, 'open'))}Task: ${open}\n` }),
    ],
    [
      'an error that says it is an answer',
      'message',
      'trailers',
      () =>
        goodAnswer(
          { answer: null, error: { code: 'timeout', message: 'm' } },
          { message: answerMessage(anAnswer(open, 'open')) },
        ),
    ],
  ]);

  test('a field name of a megabyte is told in a line that fits into a pipe', async () => {
    const id = await json({ prompt: 'q', ['x'.repeat(1_000_000)]: 1 });

    const { stderr } = await bridge.push([`${id}:${MAIN}`]);

    expect(parseRefusal(stderr)).toMatchObject({
      code: 'payload',
      remedy: expect.stringContaining('docs/protocol.md'),
    });
    expect(stderr.length).toBeLessThan(2000);
  });
});

const REQUEST = JSON.stringify({ id: 'a', request: { path: '/v1/completions', body: { prompt: 'q' } } });

/** A task, and the answer of an agent that says it cannot read it. */
async function unread(text: string): Promise<string> {
  const asked = await write.set(tip, 'task.json', text);
  const error = { code: 'invalid_task', message: 'task.json has "request"' };
  return await write.answer(asked, anAnswer(asked, text, { answer: null, error }));
}

describe('the open task', () => {
  const to = async (id: string, prompt = 'open') => write.answer(tip, anAnswer(id, prompt));
  refuses([
    ['an answer to a made-up task', 'unknown-task', 'aaaaaaaa', () => to('a'.repeat(40))],
    ['an answer to the root', 'unknown-task', 'not a task', () => to(root)],
    ['an answer to an answer', 'unknown-task', 'not a task', () => to(answer)],
    ['an answer to a blob', 'unknown-task', 'not a task', async () => to(await write.blob('open'))],
    [
      'an answer to a task that was never pushed',
      'unknown-task',
      'not a task',
      async () => to(await write.ask(tip, 'open')),
    ],
    ['the wrong hash', 'payload', 'SHA-256', () => to(open, 'something else')],
    [
      'of an agent that cannot read requests, an answer to one',
      'unknown-task',
      'is a request, which this agent cannot read',
      () => unread(REQUEST),
    ],
    [
      'an answer to an answered task',
      'answered',
      'answer already',
      () => write.answer(tip, anAnswer(answered, 'answered', { answer: 'five' })),
    ],
    [
      'a second answer in the same push',
      'answered',
      'answer already',
      async () => write.answer(await to(open), anAnswer(open, 'open', { answer: 'five' })),
    ],
    [
      'a good answer and then one to a made-up task',
      'unknown-task',
      'bbbbbbbb',
      async () => write.answer(await to(open), anAnswer('b'.repeat(40), 'open')),
    ],
    [
      'an answer to an older answered task behind one to an open task',
      'answered',
      'answer already',
      async () => write.answer(await to(open), anAnswer(answered, 'answered')),
    ],
  ]);

  test('of a task that is no request, an answer that it cannot be read is let in', async () => {
    const own = await startPlainBridge();
    const [asked, error] = [
      await own.writer.ask(await own.tip(), 'q'),
      { code: 'invalid_task', message: 'a' },
    ];
    await own.pushOk(await own.writer.answer(asked, anAnswer(asked, 'q', { answer: null, error })));
  });

  test('an answer is refused as expired once the time of its task is over, and not before', async () => {
    const own = await startPlainBridge({ hooks: 'here' });
    const config = (value: string) =>
      gitOk(['config', 'bridge.taskTtl', value], { gitDir: own.repoPath, env: own.env });
    const asked = await own.writer.ask(await own.tip(), 'old', { secondsFromNow: -1800 });
    const id = await own.writer.answer(await own.pushOk(asked), anAnswer(asked, 'old'));
    await config('20m');
    const before = await own.snapshot();

    const late = await own.push([`${id}:${MAIN}`]);

    expect(parseRefusal(late.stderr)).toMatchObject({ code: 'expired' });
    expect(await own.snapshot()).toBe(before);
    await config('40m');
    await own.pushOk(id);
  });
});

describe('a cancel', () => {
  const BOT = { author: 'bot' };
  let botsTask: string;
  let own: PlainBridge;
  let ownTip: string;
  let ownAnswered: string;
  /** A bridge with a task of the owner's, an answered and an open one of bot's. */
  beforeAll(async () => {
    own = await startPlainBridge({
      principals: { 'home-pc': 'agent', bot: 'asker', other: 'asker' },
      hooks: 'here',
    });
    ownAnswered = await own.pushOk(await own.writer.ask(await own.tip(), 'one', BOT), 'bot');
    const toOne = await own.writer.answer(ownAnswered, anAnswer(ownAnswered, 'one'), { author: 'home-pc' });
    await own.pushOk(toOne, 'home-pc');
    botsTask = await own.pushOk(await own.writer.ask(toOne, 'two', BOT), 'bot');
    ownTip = botsTask;
  });
  const cases: readonly (readonly [string, RefusalCode, string, () => Promise<string>, string])[] = [
    [
      'of a made-up task',
      'unknown-task',
      'aaaaaaaa',
      () => own.writer.cancel(ownTip, 'a'.repeat(40), {}, BOT),
      'bot',
    ],
    [
      'of an answer',
      'unknown-task',
      'not a task',
      async () => own.writer.cancel(ownTip, await parentOf(botsTask), {}, BOT),
      'bot',
    ],
    [
      'of an answered task',
      'answered',
      'answer already',
      () => own.writer.cancel(ownTip, ownAnswered, {}, BOT),
      'bot',
    ],
    [
      "of another asker's task",
      'author',
      'other did not ask',
      () => own.writer.cancel(ownTip, botsTask, {}, { author: 'other' }),
      'other',
    ],
    [
      'by an agent',
      'role',
      'home-pc has the role agent',
      () => own.writer.cancel(ownTip, botsTask, {}, { author: 'home-pc' }),
      'home-pc',
    ],
    [
      'by another name',
      'author',
      '"eve"',
      () => own.writer.cancel(ownTip, botsTask, {}, { author: 'eve' }),
      'bot',
    ],
    [
      'whose trailer is of another task',
      'message',
      'trailer Task',
      () => own.writer.cancel(ownTip, botsTask, {}, { ...BOT, message: `cancel\n\nTask: ${ownAnswered}\n` }),
      'bot',
    ],
    [
      'without a trailer',
      'message',
      'trailer Task',
      () => own.writer.cancel(ownTip, botsTask, {}, { ...BOT, message: 'cancel\n' }),
      'bot',
    ],
    [
      'that is no JSON',
      'payload',
      'cancel.json is not JSON',
      () => own.writer.set(ownTip, 'cancel.json', 'stop', BOT),
      'bot',
    ],
    [
      'that is a symlink',
      'shape',
      'cancel.json',
      () =>
        own.writer.cancel(
          ownTip,
          botsTask,
          {},
          {
            ...BOT,
            ...replaced('cancel.json', { mode: '120000' }),
          },
        ),
      'bot',
    ],
  ];
  const parentOf = async (id: string) =>
    (await gitOk(['rev-parse', `${id}^`], { gitDir: own.cloneDir, env: own.env })).trim();
  test.each(cases)('%s is refused as %s', async (_what, code, names, make, principal) => {
    const id = await make();
    const before = await own.snapshot();

    const result = await own.push([`${id}:${MAIN}`], principal);

    const refusal = parseRefusal(result.stderr);
    expect(refusal, result.stderr).toMatchObject({ code });
    expect(refusal?.text).toContain(names);
    expect(await own.snapshot()).toBe(before);
  });

  test('is let in from who asked, with the task in one push, twice, and from the owner; an answer is good after it', async () => {
    const first = await own.pushOk(await own.writer.cancel(ownTip, botsTask, { reason: 'no' }, BOT), 'bot');
    const again = await own.pushOk(await own.writer.cancel(first, botsTask, {}, BOT), 'bot');
    const asked = await own.writer.ask(again, 'three', BOT);
    const both = await own.pushOk(await own.writer.cancel(asked, asked, {}, BOT), 'bot');
    const byOwner = await own.pushOk(await own.writer.cancel(both, asked, { reason: 'the owner' }));
    const log = (await own.readLog()).length;
    const finished = await own.writer.answer(byOwner, anAnswer(botsTask, 'two'), { author: 'home-pc' });
    const stopped = await own.writer.answer(
      finished,
      anAnswer(asked, 'three', { answer: null, error: { code: 'cancelled', message: 'cancelled by bot' } }),
      { author: 'home-pc' },
    );
    const answers = await own.push([`${stopped}:${MAIN}`], 'home-pc');

    expect(answers).toMatchObject({ exitCode: 0 });
    expect(ourLines(answers.stderr)).toEqual(['llm-bridge: 2 answers logged, the last as no. 3']);
    expect((await own.readLog()).slice(log)).toContain('"code":"cancelled"');
  });

  test('is refused as expired once the time of its task is over', async () => {
    const late = await startPlainBridge({ principals: { bot: 'asker' }, hooks: 'here' });
    const asked = await late.writer.ask(await late.tip(), 'old', { ...BOT, secondsFromNow: -1800 });
    const id = await late.writer.cancel(await late.pushOk(asked, 'bot'), asked, {}, BOT);
    await gitOk(['config', 'bridge.taskTtl', '20m'], { gitDir: late.repoPath, env: late.env });

    expect(parseRefusal((await late.push([`${id}:${MAIN}`], 'bot')).stderr)).toMatchObject({
      code: 'expired',
    });
  });
});

describe('what is good is let in', () => {
  test('a task, its answer, and both in one push, each by its key, and each answer is told in one line', async () => {
    const own = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' }, hooks: 'here' });
    const start = await own.tip();
    const asked = await own.writer.ask(start, 'one', { author: 'bot', secondsFromNow: -59 * 60 });
    const byAsker = await own.push([`${asked}:${MAIN}`], 'bot');
    const json = await own.writer.set(asked, 'task.json', '{"prompt":"two"}', {
      author: 'bot',
      secondsFromNow: 9 * 60,
    });
    await own.pushOk(json, 'bot');
    const one = await own.writer.answer(json, anAnswer(asked, 'one'), { author: 'home-pc' });
    const byAgent = await own.push([`${one}:${MAIN}`], 'home-pc');
    const three = await own.writer.ask(one, 'three');
    const four = await own.writer.ask(three, 'four');
    const toFour = await own.writer.answer(four, anAnswer(four, 'four', { agent: 'me' }));
    const failed = anAnswer(three, 'three', {
      answer: null,
      error: { code: 'timeout', message: 'too slow' },
    });
    const toThree = await own.writer.answer(toFour, failed);
    const byOwner = await own.push([`${toThree}:${MAIN}`]);

    expect(byAsker).toMatchObject({ exitCode: 0 });
    expect(ourLines(byAsker.stderr)).toEqual([]);
    expect(byAgent).toMatchObject({ exitCode: 0 });
    expect(ourLines(byAgent.stderr)).toEqual(['llm-bridge: answer logged as no. 1']);
    expect(byOwner).toMatchObject({ exitCode: 0 });
    expect(ourLines(byOwner.stderr)).toEqual(['llm-bridge: 2 answers logged, the last as no. 3']);
    expect(await own.tip()).toBe(toThree);
  });

  test('a thousand commits in one push, and a message of exactly the limit', async () => {
    const own = await startPlainBridge({ hooks: 'here' });
    const many = await writeMany({ gitDir: own.cloneDir, env: own.env }, await own.tip(), 1000);
    const last = await own.pushOk(many.at(-1) ?? '');
    const long = await own.writer.ask(last, 'a'.repeat(8 * 1024 * 1024));

    await own.pushOk(long);

    expect(await own.tip()).toBe(long);
  });

  test('a person who clones, edits task.txt, commits and pushes has asked', async () => {
    const own = await startPlainBridge({ principals: { bot: 'asker' }, hooks: 'here' });
    const work = join(await tempDir(), 'work');
    const env = {
      ...own.env,
      LLM_BRIDGE_PRINCIPAL: 'bot',
      GIT_AUTHOR_NAME: 'bot',
      GIT_COMMITTER_NAME: 'bot',
    };
    await gitOk(['clone', '--quiet', own.repoPath, work], { env });
    await writeFile(join(work, 'task.txt'), 'What is 2+2?\r\n');
    await gitOk(['add', 'task.txt'], { cwd: work, env });
    await gitOk(['commit', '-qm', 'ask: 2+2'], { cwd: work, env });

    await gitOk(['push', '--quiet'], { cwd: work, env });

    expect(await gitOk(['show', 'main:task.txt'], { gitDir: own.repoPath, env })).toBe('What is 2+2?\r\n');
  });

  test('a key that was removed is refused with its next push, and let in again when it is back', async () => {
    const own = await startPlainBridge({ principals: { bot: 'asker' }, hooks: 'here' });
    const file = join(own.repoPath, 'bridge', 'principals', 'bot');
    const id = await own.writer.ask(await own.tip(), 'q', { author: 'bot' });
    await rename(file, `${own.dir}/bot`);
    const before = await own.snapshot();
    const removed = await own.push([`${id}:${MAIN}`], 'bot');
    expect(parseRefusal(removed.stderr)).toMatchObject({ code: 'principal' });
    expect(await own.snapshot()).toBe(before);
    await rename(`${own.dir}/bot`, file);

    await own.pushOk(id, 'bot');
  });
});

test('a hook whose program is gone, or which cannot run it, lets nothing in', async () => {
  const own = await startPlainBridge();
  const hook = join(own.repoPath, 'hooks', 'pre-receive');
  const text = await readFile(hook, 'utf8');
  const id = await own.writer.ask(await own.tip(), 'q');
  for (const bad of [
    text.replace(/^hook=.*/m, 'hook=/nowhere'),
    // And no other node is found.
    text.replace(/^node=.*/m, 'node=/nowhere').replace('bridge/find-node', 'false'),
    text.replace(/^node=.*/m, 'node=/bin/false'),
  ]) {
    await writeFile(hook, bad);
    const before = await own.snapshot();
    expect((await own.push([`${id}:${MAIN}`])).exitCode).not.toBe(0);
    expect(await own.snapshot()).toBe(before);
  }
});

test('trailers below a subject that git cuts them off at are none', async () => {
  const fresh = await startPlainBridge({ hooks: 'here' });
  const asked = await fresh.pushOk(await fresh.writer.ask(await fresh.tip(), '2+2'));
  const good = anAnswer(asked, '2+2');
  const message = answerMessage(good).replace(
    /^.*/,
    '# ------------------------ >8 ------------------------',
  );
  const result = await fresh.push([`${await fresh.writer.answer(asked, good, { message })}:${MAIN}`]);
  expect(parseRefusal(ourLines(result.stderr)[0] ?? '')).toMatchObject({ code: 'message' });
  expect(await fresh.tip()).toBe(asked);
});
