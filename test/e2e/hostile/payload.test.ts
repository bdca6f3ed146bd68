import { beforeAll, describe, expect, test } from 'vitest';
import { answerMessage, askMessage } from '../../../src/protocol/commit-message.js';
import { logRecordSchema } from '../../../src/protocol/log-record.js';
import { taskHash } from '../../../src/protocol/task.js';
import type { RawObject } from '../../support/hostile/git-objects.js';
import {
  type HostileBridge,
  honestAnswer,
  type PlantedTask,
  startHostileBridge,
} from '../../support/hostile/hostile-bridge.js';
import { buildCommit, type CommitParts, MAIN, rawPush } from '../../support/hostile/raw-push.js';
import { refused } from '../../support/hostile/refused-case.js';
import { refuserOf, rowsToTry } from '../../support/rows-to-try.js';

// SECURITY.md: P16

/** What stands in the files: everything else about these pushes is right. */
let bridge: HostileBridge;

beforeAll(async () => {
  bridge = await startHostileBridge();
});

type Case = readonly [what: string, told: readonly RegExp[], parts: () => CommitParts];

function refuses(cases: readonly Case[]): void {
  for (const [what, told, parts] of rowsToTry(cases, ([, told]) => refuserOf(told))) {
    test(what, async () => {
      const made = parts();
      const built = buildCommit(bridge, made);
      const push = { who: made.who ?? 'home-pc', commands: [built.command], entries: built.objects };
      await refused(bridge, push.who, async () => (await rawPush(bridge, push)).text, ...told);
    });
  }
}

const PAYLOAD = [/\[payload\]/, /home-pc, refs\/heads\/main: commit [0-9a-f]{8}/, /inbox\.json/];

describe('the answer', () => {
  /** The honest JSON, as text, changed. */
  const text = (change: (honest: string) => string | Buffer): CommitParts => ({
    payload: change(JSON.stringify(honestAnswer(bridge.open, 'home-pc'))),
  });
  const field = (name: string, value: unknown): CommitParts => ({ answer: { [name]: value } });
  const also = (json: string) => text((honest) => honest.replace(/\}$/, `,${json}}`));
  refuses([
    ['not JSON', PAYLOAD, () => ({ payload: 'rm -rf /' })],
    ['nothing', PAYLOAD, () => ({ payload: '' })],
    ['JSON of another kind', PAYLOAD, () => ({ payload: '[]' })],
    ['a byte order mark', [...PAYLOAD, /byte order mark/], () => text((honest) => `\ufeff${honest}`)],
    ['UTF-16', PAYLOAD, () => text((honest) => Buffer.from(honest, 'utf16le'))],
    [
      'bytes that are no UTF-8',
      [...PAYLOAD, /UTF-8/],
      () => text((honest) => Buffer.from(honest.replace('"4"', '"\u00ff"'), 'latin1')),
    ],
    ['a second JSON value behind', PAYLOAD, () => text((honest) => `${honest}\n${honest}`)],
    ['a key twice', [...PAYLOAD, /twice/], () => also('"agent":"other-pc"')],
    ['a key twice, once in escapes', [...PAYLOAD, /twice/], () => also('"\\u0061gent":"other-pc"')],
    ['__proto__', [...PAYLOAD, /__proto__/], () => also('"__proto__":{"agent":"x"}')],
    ['__proto__ in escapes', [...PAYLOAD, /__proto__/], () => also('"\\u005f_proto__":{}')],
    ['constructor', [...PAYLOAD, /constructor/], () => also('"constructor":{}')],
    ['a field that nobody knows', [...PAYLOAD, /evil/], () => also('"evil":1')],
    ['a field of the log', [...PAYLOAD, /seq/], () => also('"seq":1')],
    ['a field name with line breaks', [...PAYLOAD], () => also('"x\\n{\\"seq\\":9}\\n":1')],
    ['ten thousand brackets', PAYLOAD, () => also(`"usage":${'['.repeat(10_000)}${']'.repeat(10_000)}`)],
    ['a million brackets', PAYLOAD, () => ({ payload: '['.repeat(1_000_000) })],
    ['a number that is infinite', PAYLOAD, () => text((h) => h.replace('812', '1e999'))],
    ['a negative latency', PAYLOAD, () => field('latency_ms', -1)],
    ['half a millisecond', PAYLOAD, () => field('latency_ms', 0.5)],
    ['a number beyond all integers', PAYLOAD, () => text((h) => h.replace('812', '99999999999999999999'))],
    ['a number as text', PAYLOAD, () => field('latency_ms', '812')],
    ['neither answer nor error', PAYLOAD, () => field('answer', null)],
    ['answer and error', PAYLOAD, () => field('error', { code: 'timeout', message: 'x' })],
    ['an empty answer', PAYLOAD, () => field('answer', '')],
    ['an answer without a model', PAYLOAD, () => field('model', null)],
    ['a backend that is no word', PAYLOAD, () => field('backend', 'Open AI')],
    ['half a character in the answer', PAYLOAD, () => field('answer', 'a\ud800b\udc00c')],
    [
      'an error code with a line break',
      PAYLOAD,
      () => ({ answer: { answer: null, error: { code: 'a\nb', message: 'x' } } }),
    ],
    ['a date that is none', PAYLOAD, () => field('created_at', 'yesterday')],
    ['a date with a line break', PAYLOAD, () => field('created_at', '2026-01-01T00:00:00.000Z\n')],
    ['a model of a thousand letters', PAYLOAD, () => field('model', 'x'.repeat(1000))],
    ['a task text of ten thousand letters', PAYLOAD, () => field('task_text', 'x'.repeat(10_000))],
    [
      'an answer beyond the limit',
      [/\[limit\]/, /home-pc/, /inbox\.json is larger/],
      () => field('answer', 'x'.repeat(8 * 1024 * 1024)),
    ],
    ['the name of another agent', [/\[author\]/, /home-pc/, /other-pc/], () => field('agent', 'other-pc')],
    ['a name of an agent that is a path', PAYLOAD, () => field('agent', '../x')],
    [
      'a task that has its answer',
      [/\[answered\]/, /home-pc/, /commit [0-9a-f]{8}/],
      () => citing(bridge.answered.id, bridge.answered.hash),
    ],
    [
      'a task whose time is over',
      [/\[expired\]/, /home-pc/],
      () => citing(bridge.expired.id, bridge.expired.hash),
    ],
    [
      'a task that is not on main',
      [/\[unknown-task\]/, /home-pc/],
      () => citing(bridge.hidden, bridge.open.hash),
    ],
    [
      'a task that does not exist',
      [/\[unknown-task\]/, /home-pc/],
      () => citing('5'.repeat(40), bridge.open.hash),
    ],
    ['a blob as the task', [/\[unknown-task\]/, /home-pc/], () => citing(bridge.loose, bridge.open.hash)],
    [
      'an answer as the task',
      [/\[unknown-task\]/, /home-pc/],
      () => citing(bridge.answerCommit, bridge.open.hash),
    ],
    ['the root as the task', [/\[unknown-task\]/, /home-pc/], () => citing(bridge.root, bridge.open.hash)],
    ['half an id as the task', PAYLOAD, () => citing(bridge.open.id.slice(0, 8), bridge.open.hash)],
    ['an expression as the task', PAYLOAD, () => citing('refs/heads/main', bridge.open.hash)],
    [
      'the hash of another task',
      [/\[payload\]/, /task_hash/],
      () => citing(bridge.open.id, bridge.openToo.hash),
    ],
    ['a hash in capitals', PAYLOAD, () => citing(bridge.open.id, bridge.open.hash.toUpperCase())],
  ]);

  function citing(id: string, hash: string): CommitParts {
    const answer = { ...honestAnswer(bridge.open, 'home-pc'), task_commit: id, task_hash: hash };
    return { answer: { task_commit: id, task_hash: hash }, message: answerMessage(answer) };
  }
});

describe('the task', () => {
  const TASK = [/\[payload\]/, /bot, refs\/heads\/main: commit [0-9a-f]{8}/];
  const task = (file: string, payload: string | Buffer): CommitParts => ({
    who: 'bot',
    file,
    payload,
    message: askMessage({ hash: taskHash(Buffer.from(payload)), question: 'x' }),
  });
  refuses([
    ['an empty task.txt', TASK, () => task('task.txt', '')],
    ['a task.txt of blanks', TASK, () => task('task.txt', ' \n\t')],
    ['a task.txt with a byte order mark', TASK, () => task('task.txt', '\ufeffhello')],
    ['a task.txt that is no text', TASK, () => task('task.txt', Buffer.from([0xde, 0xad, 0xbe, 0xef]))],
    [
      'a task.txt beyond the limit',
      [/\[limit\]/, /bot/, /task\.txt is larger/],
      () => task('task.txt', 'x'.repeat(8 * 1024 * 1024 + 1)),
    ],
    ['a task.json that is none', TASK, () => task('task.json', 'hello')],
    [
      'a field that nobody knows',
      [...TASK, /temprature/],
      () => task('task.json', '{"prompt":"x","temprature":1}'),
    ],
    [
      'an image that is a path',
      [...TASK, /base64/],
      () => task('task.json', '{"prompt":"x","images":["/etc/passwd.png"]}'),
    ],
    [
      'an image that is a file URL',
      [...TASK, /base64/],
      () => task('task.json', '{"prompt":"x","images":["file:///etc/passwd"]}'),
    ],
    [
      'a number that is infinite, where any JSON may stand',
      [...TASK, /number/],
      () => task('task.json', '{"prompt":"x","format":{"maximum":1e999}}'),
    ],
    [
      'prompt and messages',
      TASK,
      () => task('task.json', '{"prompt":"x","messages":[{"role":"user","content":"y"}]}'),
    ],
    [
      'a schema nested a thousand deep',
      TASK,
      () => task('task.json', `{"prompt":"x","format":${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}}`),
    ],
    [
      '__proto__ deep within',
      [...TASK, /__proto__/],
      () => task('task.json', '{"prompt":"x","format":{"a":[{"__proto__":1}]}}'),
    ],
  ]);
});

describe('what a model may say, the log takes in one line', () => {
  /** Each is a bridge's whole log afterwards, so these run last and change main. */
  const SAID: readonly (readonly [what: string, answer: string])[] = [
    ['line breaks of every kind', 'a\nb\r\nc\rd\u0085e\u2028f\u2029g\u000bh\u000ci'],
    ['escape sequences', '\u001b]0;evil\u0007\u001b[2J\u009b31m'],
    ['bidi marks', '\u202eevil\u202c\u2066x\u2069\u200f\u061c'],
    ['a forged record', '"}\n{"seq":999,"commit":"x"}\n{"a":"'],
    ['a NUL and a byte order mark', 'a\u0000b\ufeffc'],
    ['just under a megabyte', '\u2028'.repeat(100_000) + 'x'.repeat(500_000)],
  ];

  test('line breaks, ANSI, bidi marks, a forged record, a megabyte', async () => {
    const { fixture } = bridge;
    const tasks = await plantedTasks(SAID.map(([what]) => what));
    for (const [at, [what, said]] of SAID.entries()) {
      const own = tasks[at] ?? bridge.open;
      const answer = { ...honestAnswer(own, 'home-pc'), answer: said };
      const built = buildCommit(await now(), { answer, message: answerMessage(answer) });
      const result = await rawPush(bridge, { commands: [built.command], entries: built.objects });
      expect(result.text, what).toContain('ok refs/heads/main');
      const log = await fixture.readLog();
      const lines = log.split('\n');
      expect(lines.pop()).toBe('');
      const record = logRecordSchema.parse(JSON.parse(lines.at(-1) ?? ''));
      expect(record.answer).toBe(said);
      expect(record.seq).toBe(lines.length);
      expect(log).not.toMatch(/[^\n\u0020-\u007e]/);
    }
  });

  /** The bridge with main as it is by now. */
  async function now(): Promise<HostileBridge> {
    const { gitOk } = await import('../../support/git.js');
    const { fixture } = bridge;
    const at = { gitDir: fixture.repoPath, env: fixture.ownerEnv };
    const tip = (await gitOk(['rev-parse', 'main'], at)).trim();
    const rows = (await gitOk(['ls-tree', '-z', 'main'], at)).split('\0').filter((row) => row !== '');
    const tipTree = Buffer.concat(
      rows.map((row) => {
        const [, mode = '', id = '', name = ''] = /^([0-9]+) blob ([0-9a-f]+)\t(.*)$/.exec(row) ?? [];
        return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]);
      }),
    );
    return { ...bridge, tip, tipTree };
  }

  /** Asked in one push. */
  async function plantedTasks(texts: readonly string[]): Promise<PlantedTask[]> {
    const tasks: PlantedTask[] = [];
    const entries: RawObject[] = [];
    const top = await now();
    let { tip: parent, tipTree: parentTree } = top;
    for (const text of texts) {
      const hash = taskHash(Buffer.from(text));
      const message = askMessage({ hash, question: text });
      const parts = { who: 'bot', file: 'task.txt', payload: text, message, parent, parentTree };
      const { blob, tree, commit } = buildCommit(top, parts);
      entries.push(commit, tree, blob);
      tasks.push({ id: commit.id, hash });
      [parent, parentTree] = [commit.id, tree.bytes];
    }
    const commands = [{ oldId: top.tip, newId: parent, ref: MAIN }];
    const result = await rawPush(bridge, { who: 'bot', commands, entries });
    expect(result.text).toContain('ok refs/heads/main');
    return tasks;
  }
});
