import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { DISK, syncEntry, unless, writeWhole } from '../../process/file-system.js';

/** How far an executable has got. Durable: what is kept here was delivered. */
export const onAnswerStateSchema = z.object({
  /** The newest record it took; records up to here are not given to it again. */
  last_seq: z.int().min(0),
  /** How often in a row the record behind that failed. */
  failures: z.int().min(0),
  /** What it said or how it ended the last time it failed; null after a success. */
  last_error: z.string().nullable(),
  /** Not to be run before that, ISO 8601; null where nothing failed. */
  next_try: z.string().nullable(),
});
export type OnAnswerState = z.infer<typeof onAnswerStateSchema>;

/** The state of an executable that has taken everything up to `seq`. */
export function caughtUpTo(seq: number): OnAnswerState {
  return { last_seq: seq, failures: 0, last_error: null, next_try: null };
}

/** Where the states are: beside the executables' folder, one file each, named after them. */
export function onAnswerStateFolder(gitDir: string): string {
  return path.join(gitDir, 'bridge', 'on-answer.state');
}

/** Reads the state of one; null where it has none yet. Throws where there is something else in its file. */
export async function readOnAnswerState(gitDir: string, name: string): Promise<OnAnswerState | null> {
  const text = await readFile(stateFile(gitDir, name), 'utf8').catch(unless('ENOENT'));
  return text === null ? null : onAnswerStateSchema.parse(JSON.parse(text));
}

/** Writes the state of one, whole or not at all, so that it survives a power cut. One dispatcher at a time. */
export async function writeOnAnswerState(gitDir: string, name: string, state: OnAnswerState): Promise<void> {
  const file = stateFile(gitDir, name);
  await DISK.mkdir(path.dirname(file), { recursive: true });
  const handle = await DISK.open(`${file}.new`, 'w', 0o640);
  try {
    await writeWhole(handle, Buffer.from(`${JSON.stringify(state)}\n`));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await DISK.rename(`${file}.new`, file);
  await syncEntry(DISK, file);
}

/** Forgets one that is gone. */
export function removeOnAnswerState(gitDir: string, name: string): Promise<void> {
  return rm(stateFile(gitDir, name), { force: true });
}

/** The names that have a state. */
export async function listOnAnswerStates(gitDir: string): Promise<string[]> {
  const names = (await DISK.readdir(onAnswerStateFolder(gitDir)).catch(unless('ENOENT'))) ?? [];
  return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
}

function stateFile(gitDir: string, name: string): string {
  return path.join(onAnswerStateFolder(gitDir), `${name}.json`);
}
