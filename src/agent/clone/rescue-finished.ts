import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { openObjectReader } from '../../git/object-reader.js';
import type { Repository } from '../../git/run-git.js';
import { type Answer, readAnswer } from '../../protocol/answer.js';
import { FINISHED_PREFIX } from './finished-answers.js';

/**
 * Reads the finished answers in what is left of a clone, as far as they can be read: the refs from their files and the objects by way of
 * `sound`, another repository, because git itself refuses a repository without a good HEAD or config. What cannot be read is
 * generated again.
 */
export async function readFinishedOf(damagedDir: string, sound: Repository): Promise<Answer[]> {
  const objects = path.join(damagedDir, 'objects');
  const reader = openObjectReader({
    ...sound,
    env: { ...sound.env, GIT_ALTERNATE_OBJECT_DIRECTORIES: objects },
  });
  const found: Answer[] = [];
  try {
    for (const id of await finishedBlobs(damagedDir)) {
      // git that stumbles over a broken pack ends; the next read starts it anew.
      const blob = await reader.read(id).catch(() => null);
      const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
      if (read?.ok) found.push(read.value);
    }
  } finally {
    reader.close();
  }
  return found;
}

/** The blobs that refs of finished answers point at, one file a ref or a line in `packed-refs`; a file wins over a line. */
async function finishedBlobs(gitDir: string): Promise<Iterable<string>> {
  const byTask = new Map<string, string>();
  const packed = await readFile(path.join(gitDir, 'packed-refs'), 'latin1').catch(() => '');
  for (const line of packed.split('\n')) {
    const [, id, task] = /^([0-9a-f]{40,64}) refs\/bridge\/finished\/([0-9a-f]+)$/.exec(line) ?? [];
    if (id !== undefined && task !== undefined) byTask.set(task, id);
  }
  const folder = path.join(gitDir, FINISHED_PREFIX);
  for (const task of await readdir(folder).catch(() => [])) {
    const text = await readFile(path.join(folder, task), 'latin1').catch(() => '');
    const id = /^([0-9a-f]{40,64})\n$/.exec(text)?.[1];
    if (id !== undefined && /^[0-9a-f]+$/.test(task)) byTask.set(task, id);
  }
  return byTask.values();
}
