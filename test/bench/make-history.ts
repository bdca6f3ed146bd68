import { createHash } from 'node:crypto';
import { emailOf, formatCommit, parseTree, replaceTreeFile } from '../../src/git/git-objects.js';
import { type Answer, writeAnswer } from '../../src/protocol/answer.js';
import { writeCancel } from '../../src/protocol/cancel.js';
import { answerMessage, askMessage, cancelMessage } from '../../src/protocol/commit-message.js';
import { CANCEL_FILE, INBOX_FILE, MAIN_REF } from '../../src/protocol/names.js';
import { taskHash } from '../../src/protocol/task.js';
import type { Lab, LabBridge } from './lab.js';
import { runProgram } from './run-program.js';

/** What a history is made of. */
export interface HistoryPlan {
  /** Tasks with an answer. */
  readonly answered: number;
  /** How many of these, the newest, are inside the time-to-live. */
  readonly recent: number;
  /** Tasks behind them that nobody has answered. */
  readonly pending?: number;
  /** The model that those name; absent: none. */
  readonly pendingModel?: string;
  /** Whether all of those are cancelled. */
  readonly areCancelled?: boolean;
  readonly questionOf: (index: number) => string;
  readonly answerOf: (index: number) => string;
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;

/** How far back a history goes, where its recent part begins, and where the part before it ends. */
const REACH_MS = 400 * DAY_MS;
const RECENT_MS = 6 * DAY_MS;
const OLD_MS = 9 * DAY_MS;
/** Behind the last that is pending. */
const CANCELLED_MS = 240_000;

/**
 * Writes a history of valid messages onto `main` by `git fast-import`, through no hook, with dates that
 * rise, and answers the bytes of its messages. Every id is computed here as well, because an answer names
 * its task's; that git comes to the same tip shows that every one was right.
 */
export async function makeHistory(
  lab: Lab,
  bridge: LabBridge,
  plan: HistoryPlan,
): Promise<{ messageBytes: number }> {
  const template = await readTemplate(lab, bridge);
  const made = { tip: '', messageBytes: 0 };
  await runProgram('git', ['--git-dir', bridge.repoPath, 'fast-import', '--quiet', '--force'], {
    env: lab.env,
    signal: lab.signal,
    input: inChunks(writeStream(template, plan, made)),
  });
  const tip = await lab.git(bridge.repoPath, ['rev-parse', MAIN_REF]);
  if (tip !== made.tip) throw new Error(`fast-import came to ${tip} where ${made.tip} was meant`);
  return { messageBytes: made.messageBytes };
}

interface Template {
  readonly tree: Buffer;
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[];
}

async function readTemplate(lab: Lab, { repoPath }: LabBridge): Promise<Template> {
  const root = await lab.git(repoPath, ['rev-list', '--max-parents=0', MAIN_REF]);
  const hex = await lab.git(repoPath, ['ls-tree', '--format=%(objectmode) %(objectname) %(path)', root]);
  const files = [];
  let tree = Buffer.alloc(0) as Buffer;
  for (const line of hex.split('\n')) {
    const [, id = '', name = ''] = /^100644 ([0-9a-f]+) (.*)$/.exec(line) ?? [];
    tree = replaceTreeFile(tree, name, id);
    const { stdout } = await runProgram('git', ['--git-dir', repoPath, 'cat-file', 'blob', id], {
      env: lab.env,
    });
    files.push({ name, bytes: Buffer.from(stdout, 'utf8') });
  }
  if (parseTree(tree, 20).length !== files.length) throw new Error('the template has a name twice');
  return { tree, files };
}

function* writeStream(
  template: Template,
  plan: HistoryPlan,
  made: { tip: string; messageBytes: number },
): Generator<string> {
  const startMs = plan.nowMs - REACH_MS;
  let { tree } = template;
  const rootMessage = 'Make a bridge\n';
  const rootWho = who('llm-bridge', startMs);
  yield `reset ${MAIN_REF}\ncommit ${MAIN_REF}\nauthor ${rootWho}\ncommitter ${rootWho}\n${data(rootMessage)}`;
  for (const { name, bytes } of template.files)
    yield `M 100644 inline ${name}\n${data(bytes.toString('utf8'))}`;
  const treeLine = `tree ${idOf('tree', tree)}\n`;
  made.tip = idOf(
    'commit',
    Buffer.from(`${treeLine}author ${rootWho}\ncommitter ${rootWho}\n\n${rootMessage}`),
  );

  function commit(file: string, bytes: Buffer, message: string, by: { name: string; atMs: number }): string {
    tree = replaceTreeFile(tree, file, idOf('blob', bytes));
    made.tip = idOf('commit', formatCommit({ tree: idOf('tree', tree), parent: made.tip, by, message }));
    made.messageBytes += bytes.length;
    const line = who(by.name, by.atMs);
    return `commit ${MAIN_REF}\nauthor ${line}\ncommitter ${line}\n${data(message)}M 100644 inline ${file}\n${data(bytes.toString('utf8'))}`;
  }
  function ask(index: number, atMs: number): { text: string; hash: string; id: string; question: string } {
    const question = plan.questionOf(index);
    const { pendingModel: model } = plan;
    const task = {
      ...{ id: `bench-${index}`, asked_at: new Date(atMs).toISOString(), prompt: question },
      ...(index < plan.answered || model === undefined ? {} : { model }),
    };
    const bytes = Buffer.from(`${JSON.stringify(task, null, 2)}\n`);
    const hash = taskHash(bytes);
    const text = commit('task.json', bytes, askMessage({ hash, question }), { name: 'bot', atMs });
    return { text, hash, id: made.tip, question };
  }
  function cancel(id: string): string {
    const atMs = plan.nowMs - CANCELLED_MS;
    const cancels = { task_commit: id, cancelled_at: new Date(atMs).toISOString() };
    return commit(CANCEL_FILE, writeCancel(cancels), cancelMessage(cancels), { name: 'bot', atMs });
  }
  const total = plan.answered + (plan.pending ?? 0);
  const open: string[] = [];
  for (let index = 0; index < total; index += 1) {
    const atMs = dateOf(plan, index);
    const task = ask(index, atMs);
    yield task.text;
    if (index >= plan.answered) {
      open.push(task.id);
      continue;
    }
    const answer: Answer = {
      task_hash: task.hash,
      task_commit: task.id,
      task_text: task.question,
      model: 'llama3.2:latest',
      backend: 'ollama',
      answer: plan.answerOf(index),
      error: null,
      created_at: new Date(atMs + 1000).toISOString(),
      latency_ms: 812,
      agent: 'home-pc',
    };
    const by = { name: 'home-pc', atMs: atMs + 1000 };
    yield commit(INBOX_FILE, writeAnswer(answer), answerMessage(answer), by);
  }
  if (plan.areCancelled === true) for (const id of open) yield cancel(id);
  yield 'done\n';
}

/**
 * The old ones spread over the old part, the recent ones over the recent part, what is pending in the last
 * hour.
 */
function dateOf(plan: HistoryPlan, index: number): number {
  const old = plan.answered - plan.recent;
  if (index < old) return plan.nowMs - REACH_MS + 60_000 + ((REACH_MS - OLD_MS) * index) / old;
  if (index < plan.answered)
    return plan.nowMs - RECENT_MS + ((RECENT_MS - 3_600_000) * (index - old)) / plan.recent;
  return plan.nowMs - 1_800_000 + (1_500_000 * (index - plan.answered)) / (plan.pending ?? 1);
}

function who(name: string, atMs: number): string {
  return `${name} <${emailOf(name)}> ${Math.floor(atMs / 1000)} +0000`;
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}

function idOf(type: 'blob' | 'tree' | 'commit', bytes: Buffer): string {
  return createHash('sha1').update(`${type} ${bytes.length}\0`).update(bytes).digest('hex');
}

/** A write a commit would be two hundred thousand of them. */
function* inChunks(texts: Iterable<string>): Generator<string> {
  let chunk = '';
  for (const text of texts) {
    chunk += text;
    if (chunk.length < 1_000_000) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}
