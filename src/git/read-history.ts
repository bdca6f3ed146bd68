import type { FileChange, HistoryCommit } from '../protocol/history.js';
import { readTrailers } from '../protocol/trailers.js';
import { gitFailed, type Repository, runGit, streamGit } from './run-git.js';

/** Which commits to read. */
export interface HistoryRange {
  /** What to walk back from: ids and refs. */
  readonly from: readonly string[];
  /** Where to stop: these and what is behind them are left out. */
  readonly not?: readonly string[];
  /** At most this many, the newest ones. */
  readonly maxCount?: number;
  /** Stop at the first commit dated before this; milliseconds since the epoch. */
  readonly sinceMs?: number;
  /** Only those of this author; `maxCount` counts them alone. The name of a principal. */
  readonly author?: string;
  /** Only those with a line in their message that this basic regular expression fits. */
  readonly messageLike?: string;
  /** False: only the commits of `from` themselves, by their dates. */
  readonly isWalking?: boolean;
}

/**
 * Fields in front of the changes of a commit, each ended by NUL, which no header and no message can contain.
 */
const FORMAT = ['%H', '%P', '%ct', '%an', '%s', '%B'];

/**
 * Reads commits along first parents, the oldest first, each with its difference to its parent. One process
 * reads all of them. Throws BridgeError as gitFailed makes it, for instance for an unknown id.
 */
export async function readHistory(
  repo: Repository,
  range: HistoryRange,
  signal?: AbortSignal,
): Promise<HistoryCommit[]> {
  const result = await runGit(repo, historyArgs(range), { signal });
  if (result.exitCode !== 0) throw gitFailed(['log'], result);
  return parseHistory(result.stdout.toString('utf8'));
}

/** Reads these commits in the order in which they are given, however many. Throws as readHistory does. */
export async function readCommits(repo: Repository, ids: readonly string[]): Promise<HistoryCommit[]> {
  if (ids.length === 0) return [];
  const args = historyArgs({ from: ['--no-walk=unsorted', '--stdin'] });
  const result = await runGit(repo, args, { input: `${ids.toReversed().join('\n')}\n` });
  if (result.exitCode !== 0) throw gitFailed(['log'], result);
  return parseHistory(result.stdout.toString('utf8'));
}

/** The same, one commit at a time while git still walks, for a history that may not fit into memory. */
export async function* walkHistory(repo: Repository, range: HistoryRange): AsyncGenerator<HistoryCommit> {
  const parser = createHistoryParser();
  for await (const text of streamGit(repo, historyArgs(range))) yield* parser.push(text);
  yield* parser.end();
}

function historyArgs(range: HistoryRange): string[] {
  return [
    ...[
      'log',
      '--first-parent',
      '--raw',
      '-z',
      '--no-abbrev',
      '--no-renames',
      '--no-ext-diff',
      '--no-textconv',
      // Takes back the user's diff.orderFile.
      '-O/dev/null',
    ],
    ...['--no-color', '--no-notes', '--no-decorate', '--encoding=UTF-8', '--reverse'],
    `--format=tformat:${FORMAT.map((field) => `${field}%x00`).join('')}`,
    ...(range.maxCount === undefined ? [] : [`--max-count=${range.maxCount}`]),
    ...(range.sinceMs === undefined ? [] : [`--since=${gitDate(range.sinceMs)}`]),
    ...(range.author === undefined ? [] : byAuthor(range.author)),
    ...(range.messageLike === undefined ? [] : ['--basic-regexp', `--grep=${range.messageLike}`]),
    ...(range.isWalking === false ? ['--no-walk'] : []),
    ...range.from,
    ...(range.not ?? []).map((id) => `^${id}`),
    '--',
  ];
}

/**
 * The user's grep.patternType would choose the kind of the pattern, and their mailmap would rename authors.
 */
function byAuthor(name: string): string[] {
  const pattern = name.replace(/[^A-Za-z0-9_-]/g, '\\$&');
  return ['--basic-regexp', '--no-mailmap', `--author=^${pattern} <`];
}

/** Reads what `git log` printed for the format above. Exported for its test. */
export function parseHistory(output: string): HistoryCommit[] {
  const parser = createHistoryParser();
  return [...parser.push(output), ...parser.end()];
}

/** Parses the same output in pieces, cut wherever a pipe cuts them. */
function createHistoryParser() {
  let tokens: string[] = [];
  let rest = '';
  const take = (isEnd: boolean): HistoryCommit[] => {
    const commits: HistoryCommit[] = [];
    let at = 0;
    while (at + FORMAT.length <= tokens.length) {
      const { commit, next } = parseCommit(tokens, at);
      // Only the next token shows that a commit has no more changes.
      if (!isEnd && next >= tokens.length) break;
      commits.push(commit);
      at = next;
    }
    tokens = tokens.slice(at);
    return commits;
  };
  return {
    push(text: string): HistoryCommit[] {
      const parts = (rest + text).split('\0');
      rest = parts.pop() ?? '';
      for (const part of parts) tokens.push(part);
      return take(false);
    },
    end: () => take(true),
  };
}

function parseCommit(tokens: readonly string[], from: number): { commit: HistoryCommit; next: number } {
  const fields = tokens.slice(from, from + FORMAT.length);
  const [id = '', parents = '', seconds = '', author = '', subject = '', message = ''] = fields;
  let at = from + FORMAT.length;
  // -z ends each commit's text with one more NUL; changes, if there are some, begin on a line of their own.
  if (tokens[at] === '') at += 1;
  const changes: FileChange[] = [];
  for (let meta = changeAt(tokens[at]); meta !== null; meta = changeAt(tokens[at])) {
    changes.push(parseChange(meta, tokens[at + 1] ?? ''));
    at += 2;
  }
  const trailers = readTrailers(message);
  const commit = {
    id,
    parents: parents === '' ? [] : parents.split(' '),
    committedAtMs: Number(seconds) * 1000,
    author,
    subject,
    taskTrailer: trailers.get('task') ?? '',
    taskHashTrailer: trailers.get('task-hash') ?? '',
    statusTrailer: trailers.get('status') ?? '',
    ...sourceIn(trailers),
    changes,
  };
  return { commit, next: at };
}

function sourceIn(trailers: ReadonlyMap<string, string>): Pick<HistoryCommit, 'source'> {
  const model = trailers.get('model') ?? 'none';
  const backend = trailers.get('backend') ?? 'none';
  const latency = trailers.get('latency-ms') ?? '';
  if (model === 'none' || !/^[0-9]{1,12}$/.test(latency)) return {};
  return { source: { model, backend, latencyMs: Number(latency) } };
}

/**
 * The token, without the line break before it, where it begins a change; else null. A commit id never begins
 * with a colon.
 */
function changeAt(token: string | undefined): string | null {
  const text = token?.startsWith('\n') ? token.slice(1) : token;
  return text?.startsWith(':') ? text : null;
}

/** `:100644 100644 <id> <id> M` and the path behind it. */
function parseChange(meta: string, path: string): FileChange {
  const [oldMode = '', newMode = '', oldId = '', newId = ''] = meta.slice(1).split(' ');
  return { path, oldMode, newMode, oldId, newId };
}

/**
 * Formats an instant (milliseconds since the epoch) for git's date options (`--since`, `--shallow-since`).
 * The zone is necessary: without it git reads a number below 100000000, or a negative one, as a date near
 * today, and an endless time-to-live would find nothing at all. A time before the epoch becomes its first
 * second.
 */
export function gitDate(ms: number): string {
  return `@${Math.max(1, Math.floor(ms / 1000))} +0000`;
}
