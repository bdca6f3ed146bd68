import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseTree, replaceTreeFile, type TreeEntry, treeOfCommit } from '../../src/git/git-objects.js';
import { openObjectReader } from '../../src/git/object-reader.js';
import { type Answer, writeAnswer } from '../../src/protocol/answer.js';
import { type Cancel, writeCancel } from '../../src/protocol/cancel.js';
import { answerMessage, askMessage, cancelMessage } from '../../src/protocol/commit-message.js';
import { readObjectFile, writeObjectFile } from './object-files.js';
import { runProcess } from './run-process.js';

/** The parts of a commit that a test can change. */
export interface RawCommit {
  readonly parents: readonly string[];
  readonly tree: string;
  readonly message: string;
  /** Default `somebody`. */
  readonly author?: string;
  /** Seconds from now; default 0. */
  readonly secondsFromNow?: number;
}

/** How a message's commit differs from a valid one. */
export interface CommitTwist {
  readonly author?: string;
  readonly secondsFromNow?: number;
  readonly message?: string;
  /** Changes the tree entries after the new file. */
  readonly entries?: (entries: TreeEntry[]) => TreeEntry[];
}

/** Writes objects of any kind, valid and invalid, into one repository. It moves no ref. */
export interface MessageWriter {
  blob(bytes: string | Uint8Array): Promise<string>;
  commit(commit: RawCommit): Promise<string>;
  treeOf(commit: string): Promise<string>;
  /** A commit on top of `parent` that sets `file`. */
  set(parent: string, file: string, bytes: string | Uint8Array, twist?: CommitTwist): Promise<string>;
  /** A valid task: sets `task.txt`. */
  ask(parent: string, prompt: string, twist?: CommitTwist): Promise<string>;
  /** A valid answer: sets `inbox.json`. */
  answer(parent: string, answer: Answer, twist?: CommitTwist): Promise<string>;
  /** A valid cancel: sets `cancel.json`. */
  cancel(parent: string, task: string, other?: Partial<Cancel>, twist?: CommitTwist): Promise<string>;
}

/** A valid answer to a `task.txt`, with the test's own changes. */
export function anAnswer(task: string, prompt: string, other: Partial<Answer> = {}): Answer {
  return {
    task_hash: createHash('sha256').update(prompt).digest('hex'),
    task_commit: task,
    model: 'llama3.2',
    backend: 'ollama',
    answer: '4',
    error: null,
    created_at: '2026-01-02T03:04:05.678Z',
    latency_ms: 812,
    agent: 'home-pc',
    ...other,
  };
}

/** The writer for the repository at `gitDir`. */
export function messageWriter(
  gitDir: string,
  env: NodeJS.ProcessEnv,
  now: () => number = Date.now,
): MessageWriter {
  const read = async (name: string): Promise<Buffer> => {
    const content = readObjectFile(gitDir, name);
    if (content !== null) return content;
    const reader = openObjectReader({ gitDir, env });
    const object = await reader.read(name);
    reader.close();
    if (object === null) throw new Error(`${gitDir} has no object ${name}`);
    return object.content;
  };
  const write = async (type: string, input: string | Uint8Array): Promise<string> =>
    writeObjectFile(gitDir, type, input);
  const writer: MessageWriter = {
    blob: (bytes) => write('blob', bytes),
    async commit({ parents, tree, message, author = 'somebody', secondsFromNow = 0 }) {
      const at = Math.floor(now() / 1000) + secondsFromNow;
      const who = `${author} <${author}@example.invalid> ${at} +0000`;
      const lines = [`tree ${tree}`, ...parents.map((parent) => `parent ${parent}`)];
      return write('commit', `${lines.join('\n')}\nauthor ${who}\ncommitter ${who}\n\n${message}`);
    },
    async treeOf(commit) {
      const tree = treeOfCommit(await read(commit));
      if (tree === null) throw new Error(`${commit} is no commit`);
      return tree;
    },
    async set(parent, file, bytes, twist = {}) {
      const blob = await writer.blob(bytes);
      let tree = replaceTreeFile(await read(await writer.treeOf(parent)), file, blob);
      if (twist.entries !== undefined) tree = rawTree(twist.entries(parseTree(tree, blob.length / 2)));
      const { message = `set ${file}\n`, author, secondsFromNow } = twist;
      return writer.commit({
        parents: [parent],
        tree: await write('tree', tree),
        message,
        ...(author === undefined ? {} : { author }),
        ...(secondsFromNow === undefined ? {} : { secondsFromNow }),
      });
    },
    ask: (parent, prompt, twist) =>
      writer.set(parent, 'task.txt', prompt, {
        message: askMessage({ hash: createHash('sha256').update(prompt).digest('hex'), question: prompt }),
        ...twist,
      }),
    answer: (parent, answer, twist) =>
      writer.set(parent, 'inbox.json', writeAnswer(answer), { message: answerMessage(answer), ...twist }),
    cancel(parent, task, other, twist) {
      const cancel = { task_commit: task, cancelled_at: '2026-01-02T03:04:05.678Z', ...other };
      return writer.set(parent, 'cancel.json', writeCancel(cancel), {
        message: cancelMessage(cancel),
        ...twist,
      });
    },
  };
  return writer;
}

function rawTree(entries: readonly TreeEntry[]): Buffer {
  return Buffer.concat(
    entries.flatMap(({ mode, name, id }) => [
      Buffer.from(`${mode} ${name}\0`, 'latin1'),
      Buffer.from(id, 'hex'),
    ]),
  );
}

/**
 * Writes `count` tasks on top of `parent`, each followed by an answer where there is a text for it, with one
 * git process for all commits. Returns the ids in order. No ref moves and no hook sees them.
 */
export async function writeMany(
  repo: { readonly gitDir: string; readonly env: Record<string, string> },
  parent: string,
  count: number,
  answerText?: (index: number) => string,
): Promise<string[]> {
  const now = Math.floor(Date.now() / 1000);
  const tasks = Array.from({ length: count }, (_, index) => `question ${index}`);
  const taskIds = await importCommits(
    repo,
    parent,
    tasks.map((prompt) => ({ file: 'task.txt', bytes: prompt, message: `ask: ${prompt}\n`, at: now })),
  );
  if (answerText === undefined) return taskIds;
  const answers = tasks.map((prompt, index) => {
    const answer = anAnswer(taskIds[index] ?? '', prompt, { answer: answerText(index) });
    return {
      file: 'inbox.json',
      bytes: writeAnswer(answer).toString('utf8'),
      message: answerMessage(answer),
      at: now,
    };
  });
  return [...taskIds, ...(await importCommits(repo, taskIds.at(-1) ?? parent, answers))];
}

/** Cancels these tasks on top of `parent`, as `writeMany` does. Returns the ids of the cancels in order. */
export function cancelMany(
  repo: { readonly gitDir: string; readonly env: Record<string, string> },
  parent: string,
  tasks: readonly string[],
): Promise<string[]> {
  const at = Math.floor(Date.now() / 1000);
  const cancels = tasks.map((task) => {
    const cancel = { task_commit: task, cancelled_at: '2026-01-02T03:04:05.678Z' };
    const bytes = writeCancel(cancel).toString('utf8');
    return { file: 'cancel.json', bytes, message: cancelMessage(cancel), at };
  });
  return importCommits(repo, parent, cancels);
}

async function importCommits(
  { gitDir, env }: { readonly gitDir: string; readonly env: Record<string, string> },
  parent: string,
  commits: readonly { file: string; bytes: string; message: string; at: number }[],
): Promise<string[]> {
  const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const stream = commits.map(
    ({ file, bytes, message, at }, index) =>
      `commit refs/import\nmark :${index + 1}\ncommitter somebody <s@example.invalid> ${at} +0000\n${data(message)}` +
      `${index === 0 ? `from ${parent}\n` : ''}M 100644 inline ${file}\n${data(bytes)}`,
  );
  const marks = join(gitDir, 'import-marks');
  const done = await runProcess(
    'git',
    ['--git-dir', gitDir, 'fast-import', '--quiet', '--force', `--export-marks=${marks}`],
    {
      env,
      // At the end the branch goes again.
      input: `${stream.join('')}reset refs/import\nfrom ${'0'.repeat(parent.length)}\n\ndone\n`,
    },
  );
  if (done.exitCode !== 0) throw new Error(`git fast-import failed: ${done.stderr}`);
  return (await readFile(marks, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .sort(([a = ''], [b = '']) => Number(a.slice(1)) - Number(b.slice(1)))
    .map(([, id = '']) => id);
}
