import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { DISK, syncEntry, unless, writeWhole } from '../../process/durable-file.js';
import { makeGroupFolder, openGroupFile } from '../../process/group-files.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { listOnAnswer } from './folder.js';

/** A record that an executable did not take, and that is not in the way of the others any more. */
const setAsideSchema = z.object({
  seq: z.int().min(1),
  /** When it was set aside, ISO 8601. */
  at: z.string(),
  /** As `last_error`. */
  reason: z.string(),
});
export type SetAside = z.infer<typeof setAsideSchema>;

/**
 * Beyond this, the oldest are forgotten. An executable that refuses so many is broken, and `status` shows
 * it.
 */
const MAX_SET_ASIDE = 1000;

/**
 * The progress of an executable. It is durable: the records up to `last_seq` were delivered, or are in
 * `set_aside`.
 */
const onAnswerStateSchema = z.object({
  /**
   * The newest record that it took or that was set aside. Records up to here are not given to it again,
   * unless somebody asks for those set aside.
   */
  last_seq: z.int().min(0),
  /** How often in a row the next record failed. */
  failures: z.int().min(0),
  /** What the executable printed, or how it ended, at the last failure; null after a success. */
  last_error: z.string().nullable(),
  /** The executable does not run before this time, ISO 8601; null where nothing failed. */
  next_try: z.string().nullable(),
  /** A state of an older version has none. */
  set_aside: z.array(setAsideSchema).default([]),
});
export type OnAnswerState = z.infer<typeof onAnswerStateSchema>;

/** The state of an executable that has everything up to `seq` behind it. */
export function caughtUpTo(seq: number, setAside: readonly SetAside[] = []): OnAnswerState {
  const set_aside = setAside.slice(-MAX_SET_ASIDE);
  return { last_seq: seq, failures: 0, last_error: null, next_try: null, set_aside };
}

/** The folder of the states, beside the executables' folder: one file for each executable, with its name. */
export function onAnswerStateFolder(gitDir: string): string {
  return path.join(gitDir, 'bridge', 'on-answer.state');
}

/**
 * Reads the state of an executable; null where it has none yet. Throws where its file holds something else.
 */
export async function readOnAnswerState(gitDir: string, name: string): Promise<OnAnswerState | null> {
  const text = await readFile(stateFile(gitDir, name), 'utf8').catch(unless('ENOENT'));
  return text === null ? null : onAnswerStateSchema.parse(JSON.parse(text));
}

/**
 * Writes the state of an executable completely or not at all, and durably. Only one dispatcher runs at a
 * time.
 */
export async function writeOnAnswerState(gitDir: string, name: string, state: OnAnswerState): Promise<void> {
  const file = stateFile(gitDir, name);
  await makeGroupFolder(path.dirname(file));
  const handle = await openGroupFile(`${file}.new`, 'w');
  try {
    await writeWhole(handle, Buffer.from(`${JSON.stringify(state)}\n`));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await DISK.rename(`${file}.new`, file);
  await syncEntry(DISK, file);
}

/** Removes the state of an executable that is gone. */
export async function removeOnAnswerState(gitDir: string, name: string): Promise<void> {
  await rm(stateFile(gitDir, name), { force: true });
  await rm(againFile(gitDir, name), { force: true });
}

/**
 * Asks for an executable to be given what is set aside once more. Only a dispatcher writes states, so this
 * is a file beside them. Throws BridgeError `usage` where the bridge has no such executable.
 */
export async function askAgain(gitDir: string, name: string): Promise<void> {
  const entries = await listOnAnswer(gitDir);
  if (!entries.some((entry) => entry.status === 'runnable' && entry.name === name)) {
    const names = entries.map((entry) => entry.name).join(', ');
    throw new BridgeError(`on-answer.d has no executable ${JSON.stringify(name)} that can be run`, {
      code: 'usage',
      remedy: names === '' ? 'there is none at all' : `the names are: ${names}`,
    });
  }
  await makeGroupFolder(onAnswerStateFolder(gitDir));
  await (await openGroupFile(againFile(gitDir, name), 'w')).close();
}

/** Whether askAgain was called and what it asks for was not done yet. */
export async function isAskedAgain(gitDir: string, name: string): Promise<boolean> {
  return (await stat(againFile(gitDir, name)).catch(unless('ENOENT'))) !== null;
}

/** What askAgain asked for is done. */
export function forgetAskAgain(gitDir: string, name: string): Promise<void> {
  return rm(againFile(gitDir, name), { force: true });
}

/** The names that have a state. */
export async function listOnAnswerStates(gitDir: string): Promise<string[]> {
  const names = (await DISK.readdir(onAnswerStateFolder(gitDir)).catch(unless('ENOENT'))) ?? [];
  return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
}

function stateFile(gitDir: string, name: string): string {
  return path.join(onAnswerStateFolder(gitDir), `${name}.json`);
}

function againFile(gitDir: string, name: string): string {
  return path.join(onAnswerStateFolder(gitDir), `${name}.again`);
}

/** The status of an executable in `on-answer.d`; its JSON form is a part of what `status` prints. */
export interface OnAnswerStatus {
  readonly name: string;
  /** `new`: it has not been given a record yet. `refused`: it is not run at all. */
  readonly state: 'new' | 'ok' | 'failing' | 'refused';
  /**
   * The newest record that it took or that was set aside; null where it is new, or where its state cannot be
   * read.
   */
  readonly last_seq: number | null;
  /** How often in a row the next record failed. */
  readonly failures: number;
  /** Why it failed the last time, or why it is refused. */
  readonly reason: string | null;
  /** When it is tried again, ISO 8601. */
  readonly next_try: string | null;
  /** The records that it did not take, and that are not tried any more. */
  readonly set_aside: readonly SetAside[];
}

/** Reports for each executable of a bridge, by name, how far it got and what is wrong with it. */
export async function reportOnAnswer(gitDir: string): Promise<OnAnswerStatus[]> {
  return Promise.all(
    (await listOnAnswer(gitDir)).map(async (entry): Promise<OnAnswerStatus> => {
      const { name } = entry;
      const nothing = { name, last_seq: null, failures: 0, reason: null, next_try: null, set_aside: [] };
      if (entry.status === 'refused') return { ...nothing, state: 'refused', reason: entry.reason };
      const state = await readOnAnswerState(gitDir, name).catch(() => 'unreadable' as const);
      if (state === null) return { ...nothing, state: 'new' };
      if (state === 'unreadable') {
        const reason = `cannot read bridge/on-answer.state/${name}.json; without it, it begins with new answers`;
        return { ...nothing, state: 'failing', reason };
      }
      const { last_seq, failures, last_error: reason, next_try, set_aside } = state;
      return {
        name,
        state: failures > 0 ? 'failing' : 'ok',
        last_seq,
        failures,
        reason,
        next_try,
        set_aside,
      };
    }),
  );
}
