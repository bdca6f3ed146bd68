import { oneLine } from './printable.js';
import { excerpt } from './text.js';

/**
 * Why a push was refused, in codes that an agent tells apart.
 * - `stale`: another push came first; fetch and build again.
 * - `answered`: the task already has its answer.
 * - `expired`: the time-to-live of the task is over.
 * - `unknown-task`: main has no such task.
 * - `claimed`: another agent holds the task.
 * - `payload`, `limit`, `message`, `shape`: the message is wrong; of an answer the agent makes an error.
 * - `clock`, `internal`: it may pass; try again.
 * Any other code is a fault that a person must fix.
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

/** Why a push is refused. */
export interface Refusal {
  readonly code: RefusalCode;
  /** What is wrong, with the name of the commit or file; where it was parsed, behind who pushed what. */
  readonly text: string;
  readonly remedy: string;
  /** The name of the pusher, as the server knows it. Only for writing. */
  readonly who?: string | undefined;
  /** The ref that it is about. */
  readonly ref?: string | undefined;
  /** Code `claimed`: the agent that holds the claim. */
  readonly holder?: string | undefined;
}

/**
 * The most characters of a refusal. A hook that writes more than a pipe holds (64 KiB) to a dead client
 * hangs for ever; this is far below.
 */
const MAX_TEXT_CHARS = 500;

/**
 * The line that a pusher sees after git's `remote: `: `<who>, <ref>, holder <name>: <text>`, then what to
 * do. It is one line whatever they quote, because parseRefusal on the other side reads one line.
 */
export function formatRefusal({ code, text, remedy, who, ref, holder }: Refusal): string {
  const about = [ref === undefined ? '' : `, ${ref}`, holder === undefined ? '' : `, holder ${holder}`];
  const what = who === undefined ? text : `${who}${about.join('')}: ${text}`;
  const [said, toDo] = [what, remedy].map((part) => excerpt(oneLine(part), MAX_TEXT_CHARS));
  return `llm-bridge refused [${code}]: ${said}; try: ${toDo}`;
}

/** Who pushed, then in groups: what, and who holds that. No name has white space, a comma or a colon. */
const ABOUT = /^(?:the owner|[^\s,:]+)(?:, (refs\/[^\s,:]+))?(?:, holder ([^\s,:]+))?: /;

/** The same as servers said it before there was `holder`: a ref beside main, and the holder in the text. */
const OLD_ABOUT = /^(?:the owner|[^\s,:]+): (refs\/[^\s,:]+): (?:task \w+ is held by (\S+) )?/;

/**
 * Finds a refusal in git's output of a push; null where there is none. Accepts texts up to twice as long as
 * ours.
 */
export function parseRefusal(stderr: string): Refusal | null {
  const match = /llm-bridge refused \[([a-z-]+)\]: ([^\r\n]{0,1000}?); try: ([^\r\n]*)/.exec(stderr);
  if (match === null) return null;
  const [, code = '', text = '', remedy = ''] = match;
  const known = REFUSAL_CODES.find((one) => one === code) ?? 'internal';
  const [, ref, holder] = OLD_ABOUT.exec(text) ?? ABOUT.exec(text) ?? [];
  return {
    ...{ code: known, text: text.trim(), remedy: remedy.trim() },
    ...(ref === undefined ? {} : { ref }),
    ...(holder === undefined ? {} : { holder }),
  };
}
