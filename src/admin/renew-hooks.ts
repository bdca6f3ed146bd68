import { existsSync } from 'node:fs';
import path from 'node:path';
import { placesIn, renewNode, writeStub } from '../bridge/recorded-node.js';
import { readSmallFile } from '../process/durable-file.js';
import { privateGroup } from '../process/private-group.js';
import { findOpenFolder } from '../process/trusted-folder.js';
import { expectedHooks } from './install-hooks.js';

/**
 * Makes the stubs of a bridge start the node that runs this program, and the hook programs of this package,
 * where those that stand in them are gone. Both go together, because a version manager keeps packages within
 * the version of Node. A stub with another text than that of this version is left alone, because its program
 * may be another one. So is a stub whose program others could exchange. Returns what was changed, in
 * sentences. Throws as writeDurably does.
 */
export async function renewHooks(gitDir: string): Promise<readonly string[]> {
  const { gone, changed, node } = await renewNode(gitDir);
  const said = changed.length === 0 ? [] : [`the hooks start ${node} from now on, because ${gone} is gone`];
  const moved = new Map<string, string>();
  for (const { target } of await expectedHooks({ node: '', path: '' })) {
    const file = path.join(gitDir, target);
    const bytes = readSmallFile(file);
    const text = bytes === null ? '' : Buffer.from(bytes, 'latin1').toString('utf8');
    const { node: itsNode, hook, path: itsPath } = placesIn(text);
    if (hook === null || existsSync(hook)) continue;
    const wanted = (await expectedHooks({ node: itsNode ?? '', path: itsPath ?? '' })).find(
      (one) => one.target === target,
    );
    const own = wanted === undefined ? null : placesIn(wanted.text).hook;
    if (wanted === undefined || own === null || withoutProgram(text) !== withoutProgram(wanted.text))
      continue;
    const isOpen = findOpenFolder(own, gitDir, { privateGroup: privateGroup() }) !== null;
    if (!existsSync(own) || isOpen) continue;
    await writeStub(file, wanted.text);
    moved.set(path.dirname(hook), path.dirname(own));
  }
  return [
    ...said,
    ...[...moved].map(
      ([from, to]) => `the hooks run the programs in ${to} from now on, because ${from} is gone`,
    ),
  ];
}

/** The text of a stub without the path of the program that it starts. */
export function withoutProgram(text: string): string {
  return text.replace(/^( *)hook=.*$/m, '$1hook=');
}
