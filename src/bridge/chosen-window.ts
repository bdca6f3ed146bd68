import { REMOTE_MAIN_REF } from '../git/fetch.js';
import { type TakenPack, unpackCommits } from '../git/pack-commits.js';
import { readRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { runProgram } from '../process/run-program.js';
import { fetchFirst } from './clone.js';
import type { BridgeConnection } from './connection.js';
import { type SshConnection, sshWords } from './run-ssh.js';
import { MAX_WINDOW_WANTED, windowReplySchema } from './window-reply.js';

/** The part of history in which tasks can be pending, as far as a reader wants it. */
export interface ChosenWindow {
  /** The commits, the oldest first. */
  readonly ids: readonly string[];
  /** How many tasks were left out: younger ones that wait, and older ones that have expired. */
  readonly left: { readonly pending: number; readonly expired: number };
}

/** How many of the tasks without an answer a reader wants: the oldest that wait, the newest that expired. */
export interface WindowWanted {
  readonly pending: number;
  readonly expired: number;
}

/** A server that hangs is not waited for: the reader fetches all of the window instead. */
const TIMEOUT_MS = 60_000;

/**
 * More than MAX_WINDOW_COMMITS of the usual size take. A larger reply is cut and no sound pack, and the
 * reader fetches all of the window instead.
 */
const MAX_REPLY_BYTES = 256 * 1024 * 1024;

const HEAD = Buffer.from('{"window":');
const LINE_END = 0x0a;

/** Brings what a server chooses of a window into a clone. */
export class ChosenWindows {
  readonly #connection: BridgeConnection;
  #last: TakenPack | null = null;

  constructor(connection: BridgeConnection) {
    this.#connection = connection;
  }

  /**
   * Has the server choose by its list of open tasks (`bridge-window`), so that nobody fetches fifty thousand
   * tasks to show twenty. A clone that has nothing yet also gets the tip of main and the refs beside it; it
   * may be made again with ids of the other format. What was brought before is removed, so that a view that
   * stays open stays small. Null where the server does not choose: it has no such list, or cannot be asked.
   * Throws BridgeError as fetchFirst does, and the signal's reason.
   */
  async bring(clone: Repository, wanted: WindowWanted, signal?: AbortSignal): Promise<ChosenWindow | null> {
    const { address, ssh } = this.#connection;
    const said = ssh === null ? null : await askWindow(ssh, wanted, signal);
    if (said === null) return null;
    if ((await readRef(clone, REMOTE_MAIN_REF)) === null)
      await fetchFirst(clone, address.url, { depth: 1, sideRefs: true }, signal);
    const taken = await unpackCommits(clone, said.pack).catch(() => null);
    if (taken === null) return null;
    const before = this.#last;
    this.#last = taken;
    if (before !== null && before.name !== taken.name) await before.remove();
    return { ids: said.ids, left: said.left };
  }
}

async function askWindow(
  connection: SshConnection,
  { pending, expired }: WindowWanted,
  signal: AbortSignal | undefined,
): Promise<(ChosenWindow & { readonly pack: Buffer }) | null> {
  if (Math.max(pending, expired) > MAX_WINDOW_WANTED) return null;
  await connection.shared?.ready(signal);
  const words = sshWords(connection, [], `bridge-window ${pending} ${expired}`);
  const output = { maxBytes: MAX_REPLY_BYTES };
  const { env } = connection;
  const { exitCode, stdout } = await runProgram(words, { env, output, timeoutMs: TIMEOUT_MS, signal });
  return exitCode === 0 ? readReply(stdout) : null;
}

/** Exported for its test: null where the bytes are no reply, or say that nothing was chosen. */
export function readReply(bytes: Buffer): (ChosenWindow & { readonly pack: Buffer }) | null {
  // A start-up file of the server's shell may have printed something in front of it.
  const start = bytes.indexOf(HEAD);
  let at = bytes.indexOf(LINE_END, start) + 1;
  const head = start < 0 || at === 0 ? null : readHead(bytes.toString('utf8', start, at));
  if (head === null) return null;
  const ids: string[] = [];
  for (let left = head.commits; left > 0; left -= 1) {
    const end = bytes.indexOf(LINE_END, at);
    const id = bytes.toString('latin1', at, end);
    if (end < 0 || !/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(id)) return null;
    ids.push(id);
    at = end + 1;
  }
  return { ids, left: head.left, pack: bytes.subarray(at) };
}

function readHead(text: string) {
  try {
    return windowReplySchema.safeParse(JSON.parse(text)).data?.window ?? null;
  } catch {
    return null;
  }
}
