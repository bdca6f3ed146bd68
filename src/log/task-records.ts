import { replaceTreeFile } from '../git/git-objects.js';
import type { ObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import type { Repository } from '../git/run-git.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { MAX_COMMIT_BYTES } from '../protocol/limits.js';
import { NO_TASK, type RecordTask, recordTask } from '../protocol/log-record.js';
import { TASK_FILES, type TaskFile } from '../protocol/names.js';
import { readPlainCommit } from '../protocol/plain-commit.js';
import type { LargeMessages } from './large-messages.js';

/** A task as its commit shows it. */
interface FoundTask {
  readonly author: string;
  readonly committedAtMs: number;
  readonly file: TaskFile;
  readonly blob: string;
}

/** How many tasks of a walk are remembered. More are seldom open at a time, and any can be looked up. */
const MAX_SEEN = 4096;

/** Finds what a record says of the task it answers: who asked, when, and the metadata. */
export class TaskRecords {
  readonly #repo: Repository;
  readonly #reader: ObjectReader;
  /** The tasks among the commits that were seen, except those that were asked for since. */
  readonly #seen = new Map<string, FoundTask>();

  /** `large` brings tasks that the repository has left out. */
  constructor(
    repo: Repository,
    reader: ObjectReader,
    private readonly large?: LargeMessages,
  ) {
    this.#repo = repo;
    this.#reader = reader;
  }

  /** Remembers a task of a walk through history, so that it need not be looked up. */
  see(commit: HistoryCommit): void {
    const task = taskOf(commit);
    if (task === null) return;
    this.#seen.set(copyOf(commit.id), { ...task, author: copyOf(task.author), blob: copyOf(task.blob) });
    for (const [oldest] of this.#seen) {
      if (this.#seen.size <= MAX_SEEN) break;
      this.#seen.delete(oldest);
    }
  }

  /** What a record says of the task with this id. A task has one answer, so it is forgotten then. */
  async of(id: string): Promise<RecordTask> {
    const task = this.#seen.get(id) ?? (await this.#readPlain(id)) ?? (await this.#readAny(id));
    this.#seen.delete(id);
    if (task === null) return NO_TASK;
    if (task.file !== 'task.json') return recordTask(task, null);
    let blob = await this.#reader.read(task.blob);
    if (blob === null && this.large !== undefined) {
      await this.large.bringTask(id);
      blob = await this.#reader.read(task.blob);
    }
    return recordTask(task, blob?.info.type === 'blob' ? blob.content : null);
  }

  /** Reads a commit that a hook let in. It starts no process, because every push waits for it. */
  async #readPlain(id: string): Promise<FoundTask | null> {
    const object = await this.#reader.read(id, MAX_COMMIT_BYTES);
    const plain = object?.info.type === 'commit' ? readPlainCommit(object.content) : null;
    if (!plain?.ok) return null;
    const { tree, parent, author, committer } = plain.value;
    const [now, before] = [await this.#reader.read(tree), await this.#reader.read(`${parent}^{tree}`)];
    if (now === null || before === null || now.content.equals(before.content)) return null;
    for (const file of TASK_FILES) {
      const blob = (await this.#reader.info(`${id}:${file}`))?.id;
      if (blob !== undefined && replaceTreeFile(before.content, file, blob).equals(now.content))
        return { author: author.name.trim(), committedAtMs: committer.atMs, file, blob };
    }
    return null;
  }

  /** Reads any commit: the owner can make one that has other headers, or a symlink. */
  async #readAny(id: string): Promise<FoundTask | null> {
    if ((await this.#reader.info(id))?.type !== 'commit') return null;
    const [commit] = await readHistory(this.#repo, { from: [id], maxCount: 1 });
    return commit === undefined ? null : taskOf(commit);
  }
}

/** Copies a text. A part of a string keeps the whole string in memory, here all that git printed. */
function copyOf(text: string): string {
  return Buffer.from(text).toString();
}

function taskOf(commit: HistoryCommit): FoundTask | null {
  const message = messageOf(commit);
  if (message.kind !== 'task') return null;
  const { author, committedAtMs } = commit;
  return { author, committedAtMs, file: message.file, blob: message.change.newId };
}
