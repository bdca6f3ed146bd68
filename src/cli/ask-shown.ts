import type { Spinner } from 'yocto-spinner';
import { sameModel } from '../agent/backends/same-model.js';
import type { AskOptions, AskOutcome } from '../asker/ask.js';
import { PATIENT, WATCHFUL } from '../asker/waiting-watch.js';
import { type Profile, profilesFile, readProfiles } from '../bridge/profiles.js';
import { shellQuote } from '../process/shell-quote.js';
import { shortId } from '../protocol/names.js';
import { LiveAnswer, type LiveTerminal } from './live-answer.js';
import { waitingNotes } from './waiting-notes.js';
import { openSpinner, waitingSpinner } from './waiting-spinner.js';

/** What `ask` tells while it waits. */
export type AskHooks = Pick<
  AskOptions,
  'onAsked' | 'onWaiting' | 'onPiece' | 'looks' | 'sameModel' | 'wantsPlace'
>;

/** How a question is shown while its answer is waited for. */
export interface ShownHow {
  /** The terminal on which the answer is shown as it comes; null: it is printed when it is whole. */
  readonly live: LiveTerminal | null;
  readonly env: NodeJS.ProcessEnv;
  /** What to do where the answer cannot be written. */
  readonly remedy: (task: string) => string;
  /** The wait that counts because the asker set none, in seconds; null: one was set, or there is no end. */
  readonly byItselfS?: number | null;
  /** Told once the task is on main. */
  readonly onAsked?: (task: string) => void;
  /** The spinner of a command that asks again and again. Default: a new one. */
  readonly spinner?: Spinner | null;
}

/**
 * Asks by `run`, and shows on a terminal what is waited for, and the answer as it comes. Throws what `run`
 * throws, and what the output does where the answer could not be written.
 */
export async function askShown<T extends AskOutcome | null>(
  how: ShownHow,
  run: (hooks: AskHooks) => Promise<T>,
): Promise<T> {
  const spinner = waitingSpinner(how.spinner === undefined ? openSpinner() : how.spinner);
  let asked = '';
  const live =
    how.live === null
      ? null
      : new LiveAnswer(how.live, spinner, {
          remedy: () => how.remedy(asked),
          canMove: canMoveCursor(how.env),
        });
  const notes = waitingNotes(how.byItselfS ?? null);
  const outcome = await run({
    onAsked(task) {
      asked = task;
      spinner.asked(task);
      how.onAsked?.(task);
    },
    // A line of ours in the middle of the answer would be taken for a part of it.
    onWaiting: spinner.isShown ? spinner.waits : (waiting) => live?.isShown || notes(waiting),
    ...(live === null ? {} : { onPiece: (piece) => live.take(piece) }),
    sameModel,
    looks: spinner.isShown ? WATCHFUL : PATIENT,
    wantsPlace: spinner.isShown,
  }).finally(spinner.stop);
  const isWhole = outcome?.status === 'answered' && outcome.answer.answer !== null;
  await (isWhole ? live?.finish() : live?.leave());
  return outcome;
}

/** Whether the terminal can move its cursor back, by the same signs as for a spinner. */
function canMoveCursor({ TERM, CI }: NodeJS.ProcessEnv): boolean {
  return TERM !== 'dumb' && CI === undefined;
}

/** How a bridge is reached: by its address or path, and a key. */
export interface Access {
  readonly repo: string;
  readonly identity?: string | undefined;
}

/** What to type for a task later: `llm-bridge answer 3f2a1b9c --repo …`. */
export function laterCommand(
  command: 'answer' | 'cancel',
  task: string,
  access: Access,
  env: NodeJS.ProcessEnv,
): string {
  return ['llm-bridge', command, shortId(task), ...accessWords(access, env)].map(shellQuote).join(' ');
}

/** The options by which the same bridge is reached again: the name of its profile, where it has one. */
export function accessWords({ repo, identity }: Access, env: NodeJS.ProcessEnv): string[] {
  const isThis = (one: Profile) => one.repo === repo && one.identity === identity;
  const [name] = Object.entries(savedIn(env)).find(([, one]) => isThis(one)) ?? [];
  if (name !== undefined) return ['--repo', name];
  return ['--repo', repo, ...(identity === undefined ? [] : ['--identity', identity])];
}

/** The profiles; none where they cannot be read: what is said here is a remedy already. */
function savedIn(env: NodeJS.ProcessEnv): Readonly<Record<string, Profile>> {
  try {
    return readProfiles(profilesFile(env)).profiles;
  } catch {
    return {};
  }
}
