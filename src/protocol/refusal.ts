import { excerpt, oneLine } from './printable.js';

/**
 * Why a push was refused, as the agent has to tell apart:
 * `stale` another push came first, fetch and build again · `answered` the task has its answer · `expired` its time is over ·
 * `unknown-task` no such task on main · `claimed` another agent holds the task · anything else is a fault someone has to mend.
 */
export const REFUSAL_CODES = [
  'stale',
  'answered',
  'expired',
  'unknown-task',
  'claimed',
  'ref',
  'shape',
  'principal',
  'role',
  'author',
  'clock',
  'limit',
  'payload',
  'message',
  'internal',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** Why a push is not let in: what a rule says of it, and what its pusher is told. */
export interface Refusal {
  readonly code: RefusalCode;
  /** What is wrong, naming the commit, file or ref. */
  readonly text: string;
  readonly remedy: string;
}

/** A hook that writes more than a pipe holds (64 KiB) to a client that died hangs for ever; this is far below. */
const MAX_TEXT_CHARS = 500;

/**
 * The line a pusher sees behind git's `remote: `. `text` names what was wrong, `remedy` what to do. It is one line whatever they quote,
 * because parseRefusal on the other side reads one.
 */
export function formatRefusal(refusal: Refusal): string {
  const [text, remedy] = [refusal.text, refusal.remedy].map((part) => excerpt(oneLine(part), MAX_TEXT_CHARS));
  return `llm-bridge refused [${refusal.code}]: ${text}; try: ${remedy}`;
}

/** Finds a refusal in what git said of a push; null where there is none. A text may be twice as long as ours are. */
export function parseRefusal(stderr: string): Refusal | null {
  const match = /llm-bridge refused \[([a-z-]+)\]: (.{0,1000}?); try: ([^\r\n]*)/.exec(stderr);
  if (match === null) return null;
  const [, code = '', text = '', remedy = ''] = match;
  const known = REFUSAL_CODES.find((one) => one === code) ?? 'internal';
  return { code: known, text: text.trim(), remedy: remedy.trim() };
}
