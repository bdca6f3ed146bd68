import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { type ObjectReader, openObjectReader } from '../../git/object-reader.js';
import { readRef } from '../../git/refs.js';
import { gitText, type Repository, runGit, streamGit } from '../../git/run-git.js';
import { MAIN_REF, type TaskFile } from '../../protocol/names.js';
import { conversationName } from './conversation-name.js';
import {
  endRemoval,
  keepNamedPack,
  listNamedPacks,
  type NamedPack,
  readPackList,
  removeNamedPacks,
  upkeepFolder,
} from './named-packs.js';

/** The most commits of one upkeep, the newest. Older ones are left to `git gc`. */
const MAX_COMMITS = 100_000;

/** A task that is larger is packed under the name of its file: only the owner can commit it. */
const MAX_NAMED_BYTES = 64 * 1024 * 1024;

/**
 * A pack is put together with the smaller ones where it is at most this many times as large as all of them.
 */
const GEOMETRY = 2;

/**
 * What one git may hold in memory beside the window of `pack.windowMemory` (32 MiB): deltas that wait to be
 * written, and the parts of packs that it reads.
 */
const PACK_SETTINGS = [
  'pack.deltaCacheSize=8m',
  'core.packedGitLimit=32m',
  'pack.threads=1',
  'pack.windowMemory=32m',
];

/**
 * Packs the messages of main since `packed` (null: those of the newest that are still loose), each task
 * under the name of its conversation. Returns the tip that everything is packed up to; null where main is
 * not there. The objects are on the disk in their pack when this resolves; nothing is removed here.
 *
 * Deltas are computed anew: a pusher's git has compared every task with whatever stood in the file before.
 */
export async function packMessages(repo: Repository, packed: string | null): Promise<string | null> {
  const tip = await readRef(repo, MAIN_REF);
  if (tip === null) return null;
  const since = packed !== null && (await isBehind(repo, packed, tip)) ? packed : null;
  const list = await listObjects(repo, tip, since);
  if (list !== '') await writeNamedPack(repo, list, ['--no-reuse-delta']);
  return tip;
}

/**
 * Puts small named packs together, so that there are few of them and each conversation is whole in few.
 * Existing deltas are reused, so all is copied but the newest turn of each pack. Removes the packs that it
 * has put together, after the new one is on the disk.
 */
export async function mergeNamedPacks(repo: Repository): Promise<void> {
  await endRemoval(repo.gitDir);
  const together: NamedPack[] = [];
  let bytes = 0;
  for (const pack of await listNamedPacks(repo.gitDir)) {
    if (together.length > 0 && pack.bytes > GEOMETRY * bytes) break;
    together.push(pack);
    bytes += pack.bytes;
  }
  if (together.length < 2) return;
  const lists = await Promise.all(together.map(({ name }) => readPackList(repo.gitDir, name)));
  // A message may be in two of them, where an upkeep was killed before it had noted how far it came.
  const list = `${[...new Set(lists.join('').split('\n'))].filter((line) => line !== '').join('\n')}\n`;
  const { name } = await writeNamedPack(repo, list, []);
  const merged = together.map((one) => one.name).filter((one) => one !== name);
  await removeNamedPacks(repo.gitDir, name, merged);
}

/**
 * git writes into a folder of ours, because it leaves its unfinished files where it fails or is killed: on a
 * full disk each try would take more of the room that is left.
 */
async function writeNamedPack(
  repo: Repository,
  list: string,
  options: readonly string[],
): Promise<NamedPack> {
  const begun = path.join(upkeepFolder(repo.gitDir), 'begun');
  await rm(begun, { recursive: true, force: true });
  // Without this folder git does not accept the repository.
  await mkdir(path.join(begun, 'pack'), { recursive: true, mode: 0o700 });
  const env = {
    ...repo.env,
    GIT_OBJECT_DIRECTORY: begun,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: path.resolve(repo.gitDir, 'objects'),
  };
  const args = [
    ...PACK_SETTINGS.flatMap((setting) => ['-c', setting]),
    ...['pack-objects', '-q', '--delta-base-offset', ...options],
    path.join(begun, 'pack', 'pack'),
  ];
  try {
    const hash = (await gitText({ ...repo, env }, args, { input: list })).trim();
    return await keepNamedPack(repo.gitDir, { name: `pack-${hash}`, from: path.join(begun, 'pack'), list });
  } finally {
    await rm(begun, { recursive: true, force: true });
  }
}

async function isBehind(repo: Repository, commit: string, tip: string): Promise<boolean> {
  return (await runGit(repo, ['merge-base', '--is-ancestor', commit, tip])).exitCode === 0;
}

/** The parts of a commit: its id and its tree; then of each change the new id and the path. */
const COMMIT = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64})$/;
const CHANGE = /^:[0-7]+ [0-7]+ [0-9a-f]+ ([0-9a-f]+) [A-Z]\t(.*)$/;

/** The objects of `tip` and the commits before it, as `git pack-objects` reads them: each id once. */
async function listObjects(repo: Repository, tip: string, since: string | null): Promise<string> {
  const reader = openObjectReader(repo);
  const lines = new Map<string, string>();
  const isWanted = (id: string) => !lines.has(id) && (since !== null || isLoose(repo.gitDir, id));
  const take = async (line: string) => {
    const [, commit, tree] = COMMIT.exec(line) ?? [];
    if (commit !== undefined && tree !== undefined) {
      for (const id of [commit, tree]) if (isWanted(id)) lines.set(id, id);
      return;
    }
    const [, id = '', file = ''] = CHANGE.exec(line) ?? [];
    if (/^0*$/.test(id) || !isWanted(id)) return;
    lines.set(id, `${id} ${await nameOf(reader, id, file)}`);
  };
  try {
    const args = [
      ...['log', '--first-parent', '--raw', '--no-abbrev', '--no-renames', '--no-ext-diff', '--no-textconv'],
      ...['-O/dev/null', '--no-color', '--no-notes', '--no-decorate', '--format=%H %T'],
      ...[`--max-count=${MAX_COMMITS}`, tip, ...(since === null ? [] : [`^${since}`]), '--'],
    ];
    let rest = '';
    for await (const text of streamGit(repo, args)) {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) await take(part);
    }
    await take(rest);
  } finally {
    reader.close();
  }
  return [...lines.values()].map((line) => `${line}\n`).join('');
}

async function nameOf(reader: ObjectReader, id: string, file: string): Promise<string> {
  if (file !== 'task.json' && file !== 'task.txt') return file;
  const blob = await reader.read(id, MAX_NAMED_BYTES);
  return blob === null ? file : conversationName(file satisfies TaskFile, blob.content);
}

function isLoose(gitDir: string, id: string): boolean {
  return existsSync(path.join(gitDir, 'objects', id.slice(0, 2), id.slice(2)));
}
