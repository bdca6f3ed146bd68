import { readFile } from 'node:fs/promises';
import * as z from 'zod';

/** A git process that was started, as git itself tells it (GIT_TRACE2_EVENT). */
export interface GitStart {
  /** Milliseconds since the epoch, with their fractions. */
  readonly atMs: number;
  readonly words: readonly string[];
  /** Whether another git started it. */
  readonly isNested: boolean;
}

const startSchema = z.object({
  event: z.literal('start'),
  time: z.string(),
  sid: z.string(),
  argv: z.array(z.string()),
});

/** The git processes in a trace file, in the order of their lines; none where there is no file yet. */
export async function readGitStarts(file: string): Promise<GitStart[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const starts: GitStart[] = [];
  for (const line of text.split('\n')) {
    // Every other kind of event is passed over unread: there are ten times as many.
    if (!line.includes('"event":"start"') || !line.endsWith('}')) continue;
    const { time, argv, sid } = startSchema.parse(JSON.parse(line));
    starts.push({ atMs: instantMs(time), words: argv, isNested: sid.includes('/') });
  }
  return starts;
}

/** Whether it is git fetching. */
export function isFetch(start: GitStart): boolean {
  return !start.isNested && start.words.includes('fetch');
}

/**
 * Whether it is git taking in what a session that was opened ahead has brought. Where git fetches, what it
 * starts for that has another git above it.
 */
export function isTakenAhead(start: GitStart): boolean {
  return !start.isNested && start.words.includes('unpack-objects');
}

/** Whether it is git asking for refs alone. */
export function isLook(start: GitStart): boolean {
  return !start.isNested && start.words.includes('ls-remote');
}

/** `2026-11-22T17:02:27.123456Z`, whose microseconds Date would cut off. */
function instantMs(time: string): number {
  const micros = /\.([0-9]{6})Z$/.exec(time)?.[1] ?? '0';
  return Date.parse(`${time.slice(0, 19)}Z`) + Number(micros) / 1000;
}
