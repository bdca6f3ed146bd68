import { chmod, mkdir, open, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import envPaths from 'env-paths';
import writeFileAtomic from 'write-file-atomic';

/** How many lines are kept for the arrow keys; twice as many may stand in the file. */
export const MAX_KEPT_LINES = 1000;

/** A longer line is a pasted text: it is in the record, and is not offered again. Characters. */
const MAX_LINE_CHARS = 10_000;

/** A larger file is not read: we did not write it. Bytes. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** What was typed before, for the arrow keys. */
export interface LineHistory {
  /** The newest first, as readline wants them. */
  readonly lines: readonly string[];
  /** Adds a line. Rejects where it cannot be written. */
  add(line: string): Promise<void>;
}

/**
 * The file with the lines that this user typed into `chat`: `~/.local/state/llm-bridge/chat-history`, or
 * under XDG_STATE_HOME; on macOS and Windows where the system keeps programs' data. Absolute.
 */
export function lineHistoryFile(env: NodeJS.ProcessEnv): string {
  const isUnix = process.platform !== 'win32' && process.platform !== 'darwin';
  const folder = isUnix
    ? path.join(env.XDG_STATE_HOME || path.join(env.HOME || os.homedir(), '.local', 'state'), 'llm-bridge')
    : envPaths('llm-bridge', { suffix: '' }).data;
  return path.resolve(folder, 'chat-history');
}

/**
 * Reads the history from a file with a JSON string on each line, and makes the file where there is none,
 * with mode 0600: what people ask is nobody else's business. Any other line is passed over. Rejects where it
 * cannot be read or written.
 */
export async function openLineHistory(file: string): Promise<LineHistory> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(file, 'a', 0o600);
  const { size, mode } = await handle.stat().finally(() => handle.close());
  if ((mode & 0o077) !== 0) await chmod(file, 0o600);
  const text = size > MAX_FILE_BYTES ? '' : await readFile(file, 'utf8');
  const all = text.split('\n').flatMap(parseLine);
  const kept = all.slice(-MAX_KEPT_LINES);
  // Another chat that adds a line in this very moment loses it.
  if (all.length > 2 * MAX_KEPT_LINES || size > MAX_FILE_BYTES)
    await writeFileAtomic(file, kept.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600 });
  let last = kept.at(-1);
  return {
    lines: kept.toReversed(),
    async add(line) {
      if (line.trim() === '' || line === last || line.length > MAX_LINE_CHARS) return;
      last = line;
      const appended = await open(file, 'a', 0o600);
      await appended.appendFile(`${JSON.stringify(line)}\n`).finally(() => appended.close());
    },
  };
}

function parseLine(text: string): string[] {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'string' ? [line] : [];
  } catch {
    return [];
  }
}
