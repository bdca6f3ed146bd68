import { replaceTreeFile, treeOfCommit } from '../git/git-objects.js';
import type { HistoryMessage } from '../protocol/history.js';
import { CANCEL_FILE, INBOX_FILE, shortId, TASK_FILES } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { PushContext } from './push-context.js';

const FILES = [...TASK_FILES, INBOX_FILE, CANCEL_FILE].join(', ');

/**
 * Each commit is one message: its tree equals its parent's, byte for byte, except that one of the four
 * files is set to a plain blob. This one comparison shuts out other files, symlinks, submodules,
 * executables, odd modes and removed files.
 */
export async function shapeRule(push: PushContext): Promise<Refusal | null> {
  for (const message of push.messages) {
    if (message.kind === 'other') return notOneMessage(message);
    const { commit, change } = message;
    const actual = await readTree(push, commit.id);
    const parent = await readTree(push, commit.parents[0] ?? '');
    const blob = await push.reader.info(change.newId);
    if (actual === null || parent === null || blob?.type !== 'blob' || change.newMode !== '100644') {
      return badEntry(commit.id, change.path);
    }
    if (!replaceTreeFile(parent, change.path, change.newId).equals(actual))
      return badEntry(commit.id, change.path);
  }
  return null;
}

/** The raw tree of a commit. */
async function readTree(push: PushContext, commit: string): Promise<Buffer | null> {
  const object = await push.reader.read(commit);
  const tree = object === null ? null : treeOfCommit(object.content);
  return tree === null ? null : ((await push.reader.read(tree))?.content ?? null);
}

function notOneMessage({ commit }: HistoryMessage): Refusal {
  const paths = commit.changes.map((change) => change.path);
  const what = paths.length === 0 ? 'nothing' : JSON.stringify(paths.slice(0, 3).join(', '));
  return {
    code: 'shape',
    text: `commit ${shortId(commit.id)} changes ${what}; a commit here sets exactly one of ${FILES}`,
    remedy: 'one message a commit, and no other files',
  };
}

function badEntry(commit: string, file: string): Refusal {
  return {
    code: 'shape',
    text: `commit ${shortId(commit)} does not set ${file} to a plain file (mode 100644) and leave all else as it was`,
    remedy: 'no symlinks, no executable bit, no submodules',
  };
}
