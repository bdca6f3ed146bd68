import * as z from 'zod';
import { parseTree } from '../../src/git/git-objects.js';
import type { FileChange, HistoryCommit } from '../../src/protocol/history.js';
import { readTrailers } from '../../src/protocol/trailers.js';
import { bytesOf, bytesSchema, casesOf } from './read-vectors.js';

const text = z.string();

/** `docs/vectors/history.json`. */
export const historyVectorsSchema = casesOf(
  z.object({
    ...{ name: text, object_format: z.enum(['sha1', 'sha256']), tip: text, now_ms: z.int() },
    ...{ ttl_ms: z.int(), pending: z.array(text), expired: z.array(text), cancelled: z.array(text) },
    ...{ answered: z.int(), good_answers: z.record(text, text), log: z.array(text) },
    objects: z.array(z.object({ id: text, type: z.enum(['commit', 'tree', 'blob']) }).and(bytesSchema)),
  }),
);
export type HistoryVector = z.infer<typeof historyVectorsSchema>['cases'][number];

/** The objects of a vector by their ids. */
export function objectsOf(vector: HistoryVector): Map<string, Buffer> {
  return new Map(vector.objects.map((object) => [object.id, bytesOf(object)]));
}

/**
 * The commits of a vector, the oldest first, as `readHistory` gives them, but read without git: only as much
 * of git's formats as the vectors have.
 */
export function commitsOf(vector: HistoryVector): HistoryCommit[] {
  const objects = objectsOf(vector);
  const commits: HistoryCommit[] = [];
  for (let id: string | undefined = vector.tip; id !== undefined; ) {
    const raw = objects.get(id);
    if (raw === undefined) break;
    const parents = headersOf(raw, 'parent').filter((parent) => objects.has(parent));
    commits.push(readCommit(id, raw, parents, objects));
    id = parents[0];
  }
  return commits.reverse();
}

function readCommit(
  id: string,
  raw: Buffer,
  parents: readonly string[],
  objects: ReadonlyMap<string, Buffer>,
): HistoryCommit {
  const message = raw.toString('utf8').split('\n\n').slice(1).join('\n\n');
  const [author = ''] = headersOf(raw, 'author');
  const [committer = ''] = headersOf(raw, 'committer');
  const trailers = readTrailers(message);
  return {
    ...{ id, parents, author: author.split(' <')[0] ?? '', subject: message.split('\n')[0] ?? '' },
    committedAtMs: Number(committer.split(' ').at(-2)) * 1000,
    taskTrailer: trailers.get('task') ?? '',
    taskHashTrailer: trailers.get('task-hash') ?? '',
    statusTrailer: trailers.get('status') ?? '',
    changes: changesOf(raw, parents[0] === undefined ? undefined : objects.get(parents[0]), objects),
  };
}

/** What differs at the top, where the messages are; a folder stands for what is in it. */
function changesOf(
  raw: Buffer,
  parent: Buffer | undefined,
  objects: ReadonlyMap<string, Buffer>,
): FileChange[] {
  const entriesOf = (commit: Buffer | undefined) => {
    const [tree = ''] = commit === undefined ? [] : headersOf(commit, 'tree');
    const entries = parseTree(objects.get(tree) ?? Buffer.alloc(0), tree.length / 2);
    return new Map(
      entries.map((entry) => [entry.mode === '40000' ? `${entry.name}/x` : entry.name, entry] as const),
    );
  };
  const [before, now] = [entriesOf(parent), entriesOf(raw)];
  const paths = [...new Set([...before.keys(), ...now.keys()])];
  return paths
    .filter((path) => {
      const [old, entry] = [before.get(path), now.get(path)];
      return old?.id !== entry?.id || old?.mode !== entry?.mode;
    })
    .map((path) => ({
      path,
      ...{ oldMode: before.get(path)?.mode ?? '000000', newMode: now.get(path)?.mode ?? '000000' },
      ...{ oldId: before.get(path)?.id ?? '', newId: now.get(path)?.id ?? '' },
    }));
}

function headersOf(raw: Buffer, key: string): string[] {
  const [head = ''] = raw.toString('utf8').split('\n\n');
  return head
    .split('\n')
    .filter((line) => line.startsWith(`${key} `))
    .map((line) => line.slice(key.length + 1));
}
