import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { readSmallFile, writeDurably } from '../process/durable-file.js';
import { ownNode } from '../process/own-node.js';
import { privateGroup } from '../process/private-group.js';
import { shellQuote } from '../process/shell-quote.js';
import { findOpenFolder } from '../process/trusted-folder.js';

/** The stubs of a bridge that start node, by their path in the repository. */
const STUBS = ['hooks/pre-receive', 'hooks/post-receive', 'bridge/ssh-command', 'bridge/repair'] as const;

/** The paths that `init` wrote into a stub; null where it names none. */
export interface StubPlaces {
  readonly node: string | null;
  readonly hook: string | null;
  readonly path: string | null;
}

/** Reads the paths of node, the hook program and the tools in the text of a stub. */
export function placesIn(text: string): StubPlaces {
  const read = (setting: RegExp) => {
    const quoted = setting.exec(text)?.[1];
    return quoted === undefined
      ? null
      : quoted.replace(/'\\''/g, '\0').replaceAll("'", '').replaceAll('\0', "'");
  };
  return { node: read(NODE_LINE), hook: read(/^ *hook=(.*)$/m), path: read(/^ *PATH=(.*)$/m) };
}

const NODE_LINE = /^ *node=(?!\$)(.*)$/m;

/**
 * Writes the node that runs this program into the stubs of a bridge where the one in them is gone, as after
 * an update by a version manager. Nothing is written for a node that another user could exchange, because it
 * would run as the owner of the bridge. Returns the node that is gone, the one in its place, and the stubs
 * that were changed. Throws as writeDurably does.
 */
export async function renewNode(
  gitDir: string,
  node = ownNode(),
): Promise<{ readonly gone: string | null; readonly node: string; readonly changed: readonly string[] }> {
  const changed: string[] = [];
  let gone: string | null = null;
  for (const stub of STUBS) {
    const file = path.join(gitDir, stub);
    const text = readSmallFile(file);
    const recorded = text === null ? null : placesIn(text).node;
    if (text === null || recorded === null || canRun(recorded)) continue;
    gone = recorded;
    if (findOpenFolder(node, gitDir, { privateGroup: privateGroup() }) !== null) break;
    const bytes = Buffer.from(text, 'latin1').toString('utf8');
    await writeStub(
      file,
      bytes.replace(NODE_LINE, (line) => `${line.slice(0, line.indexOf('=') + 1)}${shellQuote(node)}`),
    );
    changed.push(stub);
  }
  return { gone, node, changed };
}

/** Writes a stub of a bridge anew. A shell that runs the old stub goes on with the file that it has open. */
export async function writeStub(file: string, text: string): Promise<void> {
  await writeDurably({
    file,
    temporary: `${file}.${process.pid}.new`,
    bytes: text,
    mode: { file: 0o755, folder: 0o750, whateverUmask: true },
  });
}

function canRun(program: string): boolean {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
