import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';

// This file imports nothing of the product, and must not: it is the second opinion.

/** A bridge that rests: nobody works on it any more. */
export interface InvariantInput {
  readonly repoPath: string;
  /** `answers.log`; the files rotated away from it lie beside it. */
  readonly logPath: string;
  /**
   * When the check is made, and how long a task lives; milliseconds. What is older need not have an answer.
   */
  readonly nowMs: number;
  readonly ttlMs: number;
  /** Finds what no two tasks may have in common. */
  readonly token?: RegExp;
  /** Tasks that whoever asked was told about: each has to be on main, with its token. */
  readonly acknowledged?: readonly { readonly task: string; readonly token: string }[];
  /** Answers that whoever asked was given: each has to be the one on main. */
  readonly given?: readonly { readonly task: string; readonly answer: string | null }[];
  /**
   * Refs that may be there beside `main`. Default: the memory of `watch`, and that an agent was there. A
   * claim may not.
   */
  readonly allowedRefs?: RegExp;
}

/**
 * What is wrong, one sentence each, with the kind of wrong in front; empty where all is well. And what was
 * counted.
 */
export interface InvariantReport {
  readonly violations: readonly string[];
  readonly tasks: number;
  readonly answers: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly cached: number;
  readonly expired: number;
  readonly logFiles: number;
  readonly logRecords: number;
}

interface Commit {
  readonly id: string;
  readonly parents: readonly string[];
  readonly author: string;
  readonly committedAtMs: number;
  readonly trailers: ReadonlyMap<string, string>;
  readonly changes: readonly {
    readonly mode: string;
    readonly blob: string;
    readonly status: string;
    readonly path: string;
  }[];
}

/**
 * Holds a bridge against its promise, reading it by the git command line alone: main is one line of single
 * messages; every task has exactly one answer, or is past its time; every answer has exactly one line in the
 * log files, in history's order, numbered without a gap, saying what its `inbox.json` says; git finds
 * nothing broken, and nothing is left lying about.
 */
export async function checkInvariant(input: InvariantInput): Promise<InvariantReport> {
  const violations: string[] = [];
  const wrong = (kind: string, what: string): void => void violations.push(`${kind}: ${what}`);
  const commits = await readMain(input.repoPath, wrong);
  const blobs = await readObjects(
    input.repoPath,
    commits.flatMap((commit) => commit.changes.map((change) => change.blob)),
  );
  const history = judgeHistory(commits, blobs, input, wrong);
  const log = await readLogFiles(input.logPath, wrong);
  judgeLog(log.records, history.answers, wrong);
  judgeClients(input, history, wrong);
  await judgeRepository(input, wrong);
  return {
    violations,
    tasks: history.tasks.size,
    answers: history.answers.length,
    errors: history.errors,
    cached: history.cached,
    expired: history.expired,
    logFiles: log.files,
    logRecords: log.records.length,
  };
}

type Wrong = (kind: string, what: string) => void;
type Json = Record<string, unknown>;

/** An answer on main, and what its record has to say besides: of its task. */
interface LoggedAnswer {
  readonly commit: string;
  readonly inbox: Json;
  readonly ofTask: Json;
}

interface History {
  /** By commit id. */
  readonly tasks: ReadonlyMap<string, { readonly token: string | null; readonly answer: Json | null }>;
  /** In the order of main. */
  readonly answers: readonly LoggedAnswer[];
  readonly errors: Record<string, number>;
  readonly cached: number;
  readonly expired: number;
}

async function readMain(repoPath: string, wrong: Wrong): Promise<Commit[]> {
  const ids = lines(await git(repoPath, ['rev-list', '--first-parent', '--reverse', 'refs/heads/main']));
  const all = lines(await git(repoPath, ['rev-list', 'refs/heads/main'])).length;
  if (all !== ids.length)
    wrong('line', `main has ${all} commits, ${ids.length} of them on its first-parent line`);
  const diff = await git(
    repoPath,
    ['diff-tree', '--stdin', '-r', '-z', '--root', '--no-renames', '--no-abbrev'],
    `${ids.join('\n')}\n`,
  );
  const changes = readDiff(diff.toString('utf8'));
  const objects = await readObjects(repoPath, ids);
  return ids.map((id) => {
    const raw = objects.get(id)?.toString('utf8') ?? '';
    const end = raw.indexOf('\n\n');
    const head = raw.slice(0, end);
    const paragraphs = raw
      .slice(end + 2)
      .trimEnd()
      .split('\n\n');
    return {
      id,
      parents: [...head.matchAll(/^parent ([0-9a-f]+)$/gm)].map(([, parent = '']) => parent),
      author: /^author (.*) <[^>]*> [0-9]+ /m.exec(head)?.[1] ?? '',
      committedAtMs: Number(/^committer .*> ([0-9]+) /m.exec(head)?.[1] ?? Number.NaN) * 1000,
      trailers: new Map(
        [...(paragraphs.at(-1) ?? '').matchAll(/^([A-Za-z-]+): (.*)$/gm)].map(([, key = '', value = '']) => [
          key,
          value,
        ]),
      ),
      changes: changes.get(id) ?? [],
    };
  });
}

/**
 * `git diff-tree -z`: an id, then `:<modes> <ids> <status>` and a path for each change, all ended by NUL.
 */
function readDiff(text: string): Map<string, Commit['changes'][number][]> {
  const found = new Map<string, Commit['changes'][number][]>();
  let changes: Commit['changes'][number][] = [];
  const words = text.split('\0');
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const match = /^:[0-7]+ ([0-7]+) [0-9a-f]+ ([0-9a-f]+) ([A-Z])/.exec(word);
    if (match !== null) {
      const [, mode = '', blob = '', status = ''] = match;
      at += 1;
      changes.push({ mode, blob, status, path: words[at] ?? '' });
    } else if (word !== '') {
      changes = [];
      found.set(word.trim(), changes);
    }
  }
  return found;
}

function judgeHistory(
  commits: readonly Commit[],
  blobs: ReadonlyMap<string, Buffer>,
  input: InvariantInput,
  wrong: Wrong,
): History {
  const tasks = new Map<
    string,
    { token: string | null; answer: Json | null; bytes: Buffer; askedAtMs: number; ofTask: Json }
  >();
  const tokens = new Map<string, string>();
  const answers: LoggedAnswer[] = [];
  const errors: Record<string, number> = {};
  let cached = 0;
  commits.forEach((commit, index) => {
    if (index === 0) {
      if (commit.parents.length > 0) wrong('line', `the first commit ${commit.id} has a parent`);
      return;
    }
    if (commit.parents.length !== 1 || commit.parents[0] !== commits[index - 1]?.id)
      wrong('line', `${commit.id} does not stand on the commit before it alone`);
    const [change] = commit.changes;
    if (change === undefined || commit.changes.length !== 1) {
      wrong('shape', `${commit.id} changes ${commit.changes.length} files`);
      return;
    }
    if (!['task.txt', 'task.json', 'inbox.json'].includes(change.path) || change.mode !== '100644') {
      wrong('shape', `${commit.id} sets ${change.path} to mode ${change.mode}`);
      return;
    }
    const bytes = blobs.get(change.blob) ?? Buffer.alloc(0);
    if (change.path !== 'inbox.json') {
      const token = input.token?.exec(bytes.toString('utf8'))?.[0] ?? null;
      const first = token === null ? undefined : tokens.get(token);
      if (first !== undefined) wrong('asked-twice', `${token} was asked by ${first} and by ${commit.id}`);
      if (token !== null) tokens.set(token, commit.id);
      const metadata = change.path === 'task.json' ? readJson(bytes)?.metadata : undefined;
      const ofTask = {
        asker: commit.author,
        asked_at: new Date(commit.committedAtMs).toISOString(),
        ...(metadata === undefined ? {} : { metadata }),
      };
      tasks.set(commit.id, { token, answer: null, bytes, askedAtMs: commit.committedAtMs, ofTask });
      return;
    }
    const inbox = readJson(bytes);
    if (inbox === null) {
      wrong('inbox', `${commit.id} has an inbox.json that is no JSON object`);
      return;
    }
    const said = String(inbox.task_commit);
    answers.push({ commit: commit.id, inbox, ofTask: tasks.get(said)?.ofTask ?? {} });
    if (commit.trailers.get('Task') !== said)
      wrong('trailer', `${commit.id} says task ${commit.trailers.get('Task')}, its inbox.json ${said}`);
    if ((typeof inbox.answer === 'string') === (inbox.error !== null))
      wrong('inbox', `${commit.id} has not exactly one of answer and error`);
    if (inbox.cached === true) cached += 1;
    if (inbox.error !== null) {
      const code = String((inbox.error as Json | undefined)?.code);
      errors[code] = (errors[code] ?? 0) + 1;
    }
    const task = tasks.get(said);
    if (task === undefined) {
      wrong('no-task', `${commit.id} answers ${said}, which is no task before it`);
      return;
    }
    if (task.answer !== null) wrong('answered-twice', `${commit.id} answers ${said} once more`);
    task.answer = inbox;
    const hash = createHash('sha256').update(task.bytes).digest('hex');
    if (inbox.task_hash !== hash || commit.trailers.get('Task-Hash') !== hash)
      wrong('hash', `${commit.id} does not name the hash of the task file of ${said}`);
    const quoted =
      task.token !== null && typeof inbox.answer === 'string' && input.token?.exec(inbox.answer)?.[0];
    if (quoted && quoted !== task.token)
      wrong('mixed-up', `${commit.id} answers ${task.token} with ${quoted}`);
  });
  let expired = 0;
  for (const [id, task] of tasks) {
    if (task.answer !== null) continue;
    if (task.askedAtMs + input.ttlMs < input.nowMs) expired += 1;
    else wrong('not-answered', `task ${id} (${task.token ?? 'no token'}) has no answer`);
  }
  return { tasks, answers, errors, cached, expired };
}

/**
 * The records of all log files, by their numbers; a file at a time, so that a file out of order shows as
 * one.
 */
async function readLogFiles(logPath: string, wrong: Wrong): Promise<{ files: number; records: Json[] }> {
  const folder = dirname(logPath);
  const name = basename(logPath);
  const all = await readdir(folder);
  const names = all.filter(
    (one) =>
      (one === name ||
        /^[.-][0-9][0-9-]*(?:\.gz)?$/.test(one.startsWith(name) ? one.slice(name.length) : '')) &&
      // Being compressed: the plain file still counts.
      !(one.endsWith('.gz') && all.includes(one.slice(0, -3))),
  );
  const files: { name: string; records: Json[] }[] = [];
  for (const one of names) {
    const bytes = await readFile(join(folder, one));
    const text = (one.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    if (text !== '' && !text.endsWith('\n')) wrong('log-line', `${one} does not end with a line break`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    if (/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/.test(text))
      wrong('log-line', `${one} has control characters`);
    const records: Json[] = [];
    for (const [at, line] of text.split('\n').slice(0, -1).entries()) {
      const record = readJson(Buffer.from(line, 'utf8'));
      if (record === null) wrong('log-line', `${one} line ${at + 1} is no JSON object`);
      else records.push(record);
    }
    if (records.length > 0) files.push({ name: one, records });
  }
  files.sort((a, b) => Number(a.records[0]?.seq) - Number(b.records[0]?.seq));
  return { files: files.length, records: files.flatMap((file) => file.records) };
}

function judgeLog(records: readonly Json[], answers: History['answers'], wrong: Wrong): void {
  const lineOf = new Map<string, number>();
  for (const [index, record] of records.entries()) {
    const commit = String(record.commit);
    if (record.seq !== index + 1)
      wrong('seq', `record ${index + 1} in order has the number ${String(record.seq)}`);
    const before = lineOf.get(commit);
    if (before !== undefined)
      wrong('logged-twice', `${commit} is logged as record ${before} and ${index + 1}`);
    lineOf.set(commit, index + 1);
    const answer = answers[index];
    if (answer !== undefined && answer.commit !== commit)
      wrong('order', `record ${index + 1} is of ${commit}, the answer at its place is ${answer.commit}`);
  }
  const saysOf = new Map(answers.map(({ commit, inbox, ofTask }) => [commit, { ...ofTask, ...inbox }]));
  for (const record of records) {
    const { seq, commit, ingested_at: ingestedAt, ...fields } = record;
    const says = saysOf.get(String(commit));
    if (says === undefined)
      wrong('not-in-history', `record ${String(seq)} is of ${String(commit)}, which is no answer on main`);
    else if (!isDeepStrictEqual(fields, says))
      wrong('field', `record ${String(seq)} does not say what ${String(commit)} says`);
    if (typeof ingestedAt !== 'string' || Number.isNaN(Date.parse(ingestedAt)))
      wrong('field', `record ${String(seq)} does not say when it was taken in`);
  }
  for (const { commit } of answers)
    if (!lineOf.has(commit)) wrong('not-logged', `the answer ${commit} is in no log file`);
}

function judgeClients(input: InvariantInput, history: History, wrong: Wrong): void {
  for (const { task, token } of input.acknowledged ?? []) {
    if (history.tasks.get(task)?.token !== token)
      wrong('lost-task', `${token} was acknowledged as ${task}, which is not on main with it`);
  }
  for (const { task, answer } of input.given ?? []) {
    const found = history.tasks.get(task)?.answer;
    if (found === undefined || found === null || found.answer !== answer)
      wrong('lost-answer', `the asker of ${task} was given an answer that main does not have`);
  }
}

async function judgeRepository(input: InvariantInput, wrong: Wrong): Promise<void> {
  const { repoPath, allowedRefs = /^refs\/bridge\/(?:watch|agents|models)\// } = input;
  const refs = lines(await git(repoPath, ['for-each-ref', '--format=%(refname)']));
  for (const ref of refs) if (ref !== 'refs/heads/main' && !allowedRefs.test(ref)) wrong('left-ref', ref);
  for (const line of await fsck(repoPath)) wrong('fsck', line);
  const left = (await readdir(repoPath, { recursive: true })).filter(
    // The files in bridge/ are what flock(2) is called on; they stay, the locks do not.
    (name) => /\.lock$/.test(name) && !/^bridge\/[a-z]+\.lock$/.test(name),
  );
  for (const name of left) wrong('left-file', name);
  const temporary = (await readdir(join(repoPath, 'objects'), { recursive: true })).filter((name) =>
    /(?:^|\/)\.?tmp[_-]/.test(name),
  );
  for (const name of temporary) wrong('left-file', `objects/${name}`);
}

async function fsck(repoPath: string): Promise<string[]> {
  const args = ['fsck', '--strict', '--full', '--no-progress', '--no-dangling'];
  const { code, stdout, stderr } = await run(repoPath, args, '');
  const said = [...lines(stdout), ...lines(stderr)];
  return code === 0
    ? said.filter((line) => /error|missing|broken|corrupt/i.test(line))
    : [...said, `exit code ${code}`];
}

/** The contents of objects by id, in one git process. */
async function readObjects(repoPath: string, ids: readonly string[]): Promise<Map<string, Buffer>> {
  const wanted = [...new Set(ids)];
  const found = new Map<string, Buffer>();
  if (wanted.length === 0) return found;
  const output = await git(repoPath, ['cat-file', '--batch'], `${wanted.join('\n')}\n`);
  let at = 0;
  for (const id of wanted) {
    const end = output.indexOf(0x0a, at);
    const [, , size = ''] = output.toString('latin1', at, end).split(' ');
    at = end + 1;
    // `<id> missing`
    if (size === '') continue;
    found.set(id, output.subarray(at, at + Number(size)));
    at += Number(size) + 1;
  }
  return found;
}

function readJson(bytes: Buffer): Json | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
  } catch {
    return null;
  }
}

function lines(text: Buffer | string): string[] {
  return text
    .toString()
    .split('\n')
    .filter((line) => line !== '');
}

async function git(repoPath: string, args: readonly string[], input = ''): Promise<Buffer> {
  const { code, stdout, stderr } = await run(repoPath, args, input);
  if (code !== 0) throw new Error(`git ${args.join(' ')} exited with ${code}: ${stderr.toString()}`);
  return stdout;
}

function run(
  repoPath: string,
  args: readonly string[],
  input: string,
): Promise<{ code: number; stdout: Buffer; stderr: Buffer }> {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: '/',
    LC_ALL: 'C',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
  };
  return new Promise((resolve, reject) => {
    const options = { env, encoding: 'buffer' as const, maxBuffer: 2 ** 30 };
    const child = execFile('git', ['--git-dir', repoPath, ...args], options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    // git may fail before it has read all of it; the exit code tells.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
