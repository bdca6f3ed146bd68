import { spawnSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { expectedHooks } from '../../../src/admin/install-hooks.js';
import { parseTree } from '../../../src/git/git-objects.js';
import { parseHistory } from '../../../src/git/read-history.js';
import { type Answer, readAnswer } from '../../../src/protocol/answer.js';
import { MAX_JSON_DEPTH } from '../../../src/protocol/limits.js';
import { formatLogLine, logRecordSchema, NO_TASK } from '../../../src/protocol/log-record.js';
import { readPlainCommit } from '../../../src/protocol/plain-commit.js';
import { readTask } from '../../../src/protocol/task.js';
import { isWellFormedJson, toWellFormed } from '../../../src/protocol/text.js';
import { readUpdateLines } from '../../../src/rules/pushed-refs.js';
import { referenceJson } from '../../support/reference-json.js';
import { tempDir } from '../../support/temp-dir.js';

/**
 * Random and mutated input against everything that reads what a stranger wrote. The short form runs with the
 * unit tests; `npm run fuzz -- --runs N --seconds S --seed X` runs longer, and again what has failed.
 */
const RUNS = Number(process.env.FUZZ_RUNS ?? 300);
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 4);
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const PROPERTIES = 7;

beforeAll(() => console.log(`fuzz: seed ${SEED}, ${RUNS} runs, ${SECONDS} s`));

function check<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => void, runs = RUNS): void {
  const bound = { numRuns: runs, seed: SEED, interruptAfterTimeLimit: (SECONDS * 1000) / PROPERTIES };
  fc.assert(fc.property(arbitrary, holds), bound);
}

const HASH = 'a'.repeat(64);
const ID = 'b'.repeat(40);
const GOOD: Answer = {
  task_hash: HASH,
  task_commit: ID,
  task_text: '2+2?',
  model: 'llama3.2',
  backend: 'ollama',
  answer: '4',
  error: null,
  created_at: '2026-11-22T17:02:27.123Z',
  latency_ms: 812,
  agent: 'home-pc',
  thinking: 'x',
  finish_reason: 'stop',
  usage: { prompt_tokens: 1, completion_tokens: 2 },
  attempts: 2,
  cached: false,
};
const TASK = {
  id: 'x',
  prompt: '2+2?',
  system: 's',
  model: 'm',
  options: { temperature: 0.5, stop: ['a'] },
  format: { type: 'object', properties: { a: { maximum: 1 } } },
  images: ['AAAA'],
  asked_at: '2026-11-22T17:02:27.123Z',
  metadata: { a: 'b' },
};

/** Pieces that have broken readers before. */
const NASTY = [
  ...['"', '\\', '\n', '\r', '\0', '\u2028', '\u202e', '\ufeff', '\ud800', '{', '}', '[', ']', ',', ':'],
  ...[
    '1e999',
    '-0',
    '-',
    '"__proto__":1,',
    '"agent":"x",',
    '\\u005f',
    'null',
    ' ',
    '[[[[[[[[',
    '"\\ud800"',
    '.',
    'e',
  ],
];

/** A text with some of its parts cut out, doubled, or replaced by nasty or random ones. */
function mutated(seeds: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat(12),
    put: fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary', maxLength: 6 }), fc.constant('')),
  });
  return fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { maxLength: 4 })).map(([seed, edits]) =>
    edits.reduce((text, { at, length, put }) => {
      const from = Math.floor(at * text.length);
      return text.slice(0, from) + put + text.slice(from + length);
    }, seed),
  );
}

/** The same as bytes, or bytes of no meaning at all, or both. */
function bytesOf(texts: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof(
    { weight: 6, arbitrary: texts.map((text) => Buffer.from(text, 'utf8')) },
    { weight: 1, arbitrary: noise },
    {
      weight: 1,
      arbitrary: fc.tuple(texts, noise).map(([text, more]) => Buffer.concat([Buffer.from(text), more])),
    },
  );
}

/**
 * Text of valid UTF-8 without a mark in front, told without a decoder's help: what is written back is the
 * same bytes.
 */
function plainText(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) && !text.startsWith('\ufeff') ? text : undefined;
}

test('an answer that is taken is one the reference takes, and one line of the log that reads back', () => {
  const texts = mutated([JSON.stringify(GOOD), JSON.stringify(GOOD, null, 2)]);
  check(bytesOf(texts), (bytes) => {
    const read = readAnswer(bytes);
    if (!read.ok) {
      expect(read.reason).not.toBe('');
      return;
    }
    const text = plainText(bytes);
    expect(text).toBeDefined();
    expect(referenceJson(text ?? '', MAX_JSON_DEPTH)?.value).toEqual(read.value);
    expect(isWellFormedJson(read.value)).toBe(true);
    const line = formatLogLine(read.value, NO_TASK, { seq: 1, commit: ID, ingestedAtMs: 0 });
    // Not one character that any reader takes for the end of a line, or a terminal for an order.
    expect(line).toMatch(/^[^\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]*\n$/u);
    const record = logRecordSchema.parse(JSON.parse(line));
    expect(record).toMatchObject(JSON.parse(JSON.stringify(read.value)));
  });
});

test('whatever a model says, an answer with it is one line that reads back', () => {
  check(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }).map(toWellFormed), (said) => {
    const line = formatLogLine({ ...GOOD, answer: said }, NO_TASK, { seq: 7, commit: ID, ingestedAtMs: 0 });
    expect(line.match(/[\n\r\u0085\u2028\u2029]/g)).toEqual(['\n']);
    expect(logRecordSchema.parse(JSON.parse(line)).answer).toBe(said);
  });
});

test('a task that is taken is one the reference takes', () => {
  check(bytesOf(mutated([JSON.stringify(TASK)])), (bytes) => {
    const text = plainText(bytes);
    const json = readTask('task.json', bytes);
    if (json.ok) expect(referenceJson(text ?? '', MAX_JSON_DEPTH)?.value).toEqual(json.value);
    if (json.ok) expect(isWellFormedJson(json.value)).toBe(true);
    const plain = readTask('task.txt', bytes);
    expect(plain.ok).toBe(text !== undefined && text.trim() !== '');
    if (plain.ok) expect(plain.value.prompt).toBe(text);
  });
});

test('update lines that are taken are of exactly three words, each ref once', () => {
  const line = `${ID} ${'c'.repeat(40)} refs/heads/main\n`;
  check(mutated([line, line + line, `${HASH} ${HASH} refs/heads/x\n`]), (stdin) => {
    const read = readUpdateLines(stdin);
    if ('code' in read) return;
    expect(read.map((one) => `${one.oldId} ${one.newId} ${one.ref}\n`).join('')).toBe(stdin);
    expect(new Set(read.map((one) => one.ref)).size).toBe(read.length);
    for (const { oldId, newId, ref } of read) {
      for (const id of [oldId, newId]) expect([40, 64]).toContain(id.length);
      expect([...ref].every((char) => char > ' ' && char < '\u007f')).toBe(true);
    }
  });
});

test('a tree is read to the last byte or not at all', () => {
  const entry = fc.tuple(fc.constantFrom('100644', '40000', ''), fc.string({ unit: 'binary', maxLength: 8 }));
  const trees = fc
    .array(entry, { maxLength: 4 })
    .map((entries) =>
      Buffer.concat(
        entries.map(([mode, name]) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.alloc(20, 1)])),
      ),
    );
  const noise = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
  const cut = fc.tuple(trees, fc.nat(60)).map(([tree, length]) => tree.subarray(0, length));
  check(fc.oneof(trees, noise, cut), (raw) => {
    let entries: ReturnType<typeof parseTree>;
    try {
      entries = parseTree(raw, 20);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      return;
    }
    const again = entries.map(({ mode, name, id }) =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`, 'latin1'), Buffer.from(id, 'hex')]),
    );
    expect(Buffer.concat(again)).toEqual(raw);
  });
});

test('a commit that is taken has its four headers and says nothing to a terminal; history is read without a throw', () => {
  const who = 'home-pc <home-pc@x> 1763830947 +0000';
  const raw = `tree ${ID}\nparent ${ID}\nauthor ${who}\ncommitter ${who}\n\nanswer: 4\n\nTask: ${ID}\n`;
  const history = `${ID}\0${ID}\x001\0x\0\0\0\0s\0\0\n:100644 100644 ${ID} ${ID} M\0task.txt\0`;
  check(bytesOf(mutated([raw, raw, history])), (bytes) => {
    const read = readPlainCommit(bytes);
    if (read.ok) {
      const head = bytes.toString('utf8').split('\n\n', 1)[0] ?? '';
      expect(head.split('\n').map((line) => line.split(' ', 1)[0])).toEqual([
        'tree',
        'parent',
        'author',
        'committer',
      ]);
      expect(bytes.toString('utf8')).not.toMatch(/[^\P{Cc}\n\t]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
    }
    for (const commit of parseHistory(bytes.toString('utf8'))) expect(commit.changes).toBeInstanceOf(Array);
  });
});

test.skipIf(process.platform === 'win32')(
  'the forced command runs its literals and nothing that looks like them',
  async () => {
    const { script, repo, env } = await forcedCommand();
    const literals = [
      ...['upload', 'receive'].flatMap((kind) => [
        `git-${kind}-pack '${repo}'`,
        `git-${kind}-pack 'bridge.git'`,
      ]),
      ...['bridge-hello', 'bridge-wait'],
    ];
    const words = fc
      .oneof(
        { weight: 1, arbitrary: fc.constantFrom(...literals) },
        { weight: 5, arbitrary: mutated(literals) },
      )
      // An environment has neither; sshd itself refuses a NUL.
      .map((text) => text.replace(/[\0\ud800-\udfff]/g, ''));
    check(
      words,
      (command) => {
        const result = spawnSync('/bin/sh', [script, 'home-pc'], {
          env: { ...env, SSH_ORIGINAL_COMMAND: command },
          encoding: 'utf8',
        });
        const ran = result.stdout.startsWith('RAN ') || result.stdout.startsWith('{"name":"home-pc"');
        expect(ran, `${JSON.stringify(command)} ${result.stderr}`).toBe(literals.includes(command));
        if (!ran) expect(result).toMatchObject({ status: 1, stdout: '' });
      },
      Math.ceil(RUNS / 3),
    );
  },
);

/** ssh-command in a folder of its own, with a PATH on which only what tells that it was run can be found. */
async function forcedCommand(): Promise<{ script: string; repo: string; env: Record<string, string> }> {
  const dir = await tempDir();
  const repo = join(dir, 'bridge.git');
  const bin = join(dir, 'bin');
  await mkdir(join(repo, 'bridge/principals'), { recursive: true });
  await mkdir(bin);
  // Without it nothing is served.
  await writeFile(join(repo, 'config'), '[bridge]\n\tversion = 2\n');
  await writeFile(join(repo, 'bridge/principals/home-pc'), 'agent\n');
  for (const [name, text] of [
    ['env', 'echo "RAN $*"'],
    ['git', 'case $* in *--get-regexp*) echo bridge.version 2 ;; *) exit 1 ;; esac'],
    ['date', 'echo now'],
  ] as const) {
    await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const installed = await expectedHooks({ node: process.execPath, path: bin });
  const script = join(repo, 'bridge/ssh-command');
  await writeFile(script, installed.find(({ target }) => target === 'bridge/ssh-command')?.text ?? '');
  return { script, repo, env: { PATH: bin, HOME: dir } };
}
