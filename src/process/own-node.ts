import { realpathSync } from 'node:fs';
import path from 'node:path';

/**
 * The path of the node that runs this program, as hooks and services are to start it. Homebrew keeps each
 * version in a folder of its own, which the next upgrade takes away, and a link to the one in use: then it
 * is that link, if it leads to this very node. Absolute.
 */
export function ownNode(node = process.execPath): string {
  const cellar = /^(.*)\/Cellar\/([^/]+)\/[^/]+\/bin\/node$/.exec(node);
  if (cellar === null) return node;
  const [, prefix = '', formula = ''] = cellar;
  const link = path.join(prefix, 'opt', formula, 'bin', 'node');
  try {
    return realpathSync(link) === realpathSync(node) ? link : node;
  } catch {
    return node;
  }
}
