import { MAIN_REF } from '../protocol/names.js';
import { stripControls } from '../protocol/printable.js';
import { MAX_SAID_CHARS } from './git-meaning.js';
import { outcomeOfPush, type PushOutcome } from './push.js';
import type { ObjectIds } from './run-git.js';

/** A move of main and the pack with everything that the other side does not have. */
export interface MainPush {
  readonly from: string;
  readonly to: string;
  readonly pack: Uint8Array;
}

/**
 * What a client of `git receive-pack` says (git's `Documentation/gitprotocol-pack.txt`): one command, and
 * the pack. It does not have to be told first what is there: receive-pack compares `from` with main.
 */
export function formatPush({ from, to, pack }: MainPush, ids: ObjectIds): Buffer {
  const capabilities = ` report-status object-format=${ids}`;
  const command = `${from} ${to} ${MAIN_REF}\0${capabilities}\n`;
  const size = (command.length + 4).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(`${size}${command}0000`, 'latin1'), pack]);
}

/** More than the refs of a bridge and a report take. The other side may send anything. Bytes. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/**
 * Reads what `git receive-pack` says to a push of main: the refs that are there, a flush, the report, and a
 * flush.
 */
export class PushReply {
  #rest: Buffer = Buffer.alloc(0);
  #bytes = 0;
  #flushes = 0;
  #lines: string[] = [];
  #isBroken = false;

  take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_REPLY_BYTES) this.#isBroken = true;
    if (this.isOver) return;
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 4 && !this.isOver) {
      const head = this.#rest.toString('latin1', 0, 4);
      const size = /^[0-9a-f]{4}$/.test(head) ? Number.parseInt(head, 16) : Number.NaN;
      if (size === 0) {
        this.#flushes += 1;
        this.#rest = this.#rest.subarray(4);
      } else if (!(size > 4)) {
        this.#isBroken = true;
      } else {
        if (this.#rest.length < size) return;
        if (this.#flushes === 1) this.#lines.push(this.#rest.toString('utf8', 4, size).trimEnd());
        this.#rest = this.#rest.subarray(size);
      }
    }
  }

  /** It is not what receive-pack says, or has no end: nothing that follows counts. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Nothing follows that counts. */
  get isOver(): boolean {
    return this.#isBroken || this.#flushes === 2;
  }

  /** Main has moved. */
  get isPushed(): boolean {
    return this.#flushes === 2 && this.#lines.includes(`ok ${MAIN_REF}`);
  }

  /**
   * What the push came to, where it has ended; `stderr` is what the session said beside it. Throws as
   * pushCommit does.
   */
  outcome(url: string, stderr: string): PushOutcome {
    if (this.isPushed) return { status: 'pushed' };
    const said = this.#lines.map((line) => stripControls(line));
    const why = said.find((line) => line.startsWith(`ng ${MAIN_REF} `))?.slice(`ng ${MAIN_REF} `.length);
    const report =
      why === undefined ? [] : [{ sign: '!', ref: MAIN_REF, summary: `[remote rejected] (${why})` }];
    const unpacked = said.find((line) => /^unpack (?!ok$)/.test(line)) ?? '';
    const cut = this.#flushes < 2 ? 'The remote end hung up before it reported' : '';
    const words = [stripControls(stderr), unpacked, cut].filter((text) => text !== '').join('\n');
    return outcomeOfPush(url, { exitCode: 1, report, stderr: words.slice(0, MAX_SAID_CHARS) });
  }
}
