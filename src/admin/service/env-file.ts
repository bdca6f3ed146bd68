import { chown, mkdir, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { shellQuote } from '../../process/shell-quote.js';
import { BridgeError } from '../../protocol/bridge-error.js';

const TEXT = `# Variables for llm-bridge, one NAME=value a line; quotes around a value with spaces. Every option of the command line can
# stand here: LLM_BRIDGE_MODEL=llama3.2 is --model llama3.2. Only the owner of this file may read it.
`;

/**
 * Makes the file for variables where it is missing, readable by its owner alone. Returns whether it was
 * made. Throws BridgeError `open-env-file` where others can read the file that is there: they may know what
 * stands in it.
 */
export async function ensureEnvFile(
  file: string,
  owner: { uid: number; gid: number } | null,
): Promise<boolean> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(TEXT).finally(() => handle.close());
    if (owner !== null) await chown(file, owner.uid, owner.gid);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const { mode } = await stat(file);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new BridgeError(`others can read ${file}, which is for secrets`, {
      code: 'open-env-file',
      remedy: `change what was secret in it, then: chmod 600 ${shellQuote(file)}`,
    });
  }
  return false;
}
