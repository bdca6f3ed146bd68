import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shellQuote } from '../../src/process/shell-quote.js';
import { stopProcessTree } from '../../src/process/stop-process-tree.js';
import { onCleanup } from './on-cleanup.js';
import { runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';
import { waitUntil } from './wait-until.js';

const ESC = '\u001b\\[';

/** The turning sign behind an answer that stands still, from where it is drawn to where it is taken back. */
const STALL_MARK = new RegExp(`(?:${ESC}2m)?[\u2800-\u28ff](?:${ESC}22m)?[\b](?:${ESC}K)?`, 'g');

/** A program of ours on a terminal of its own. */
export interface TerminalRun {
  /**
   * All output to the terminal so far, with escape sequences, but without the sign behind an answer that
   * stands still: on a slow machine it may come between any two pieces.
   */
  shown(): string;
  waitFor(pattern: RegExp): Promise<void>;
  /** Types a line. */
  type(line: string): void;
  /** Presses keys, as the terminal sends them. */
  press(keys: string): void;
  /** Makes the terminal so many columns wide; its programs are told so by a signal. */
  resize(columns: number): Promise<void>;
  /** Sends a signal to the program itself. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Its exit code. */
  readonly exited: Promise<number | null>;
}

/** Starts the built program on a terminal that util-linux's `script` makes; null where there is none. */
export async function startOnTerminal(
  args: readonly string[],
  env: Record<string, string>,
  { columns = 100 }: { readonly columns?: number } = {},
): Promise<TerminalRun | null> {
  const terminalEnv = { ...env, TERM: 'xterm' };
  const probe = await runProcess('sh', ['-c', "script -qec 'test -t 1' /dev/null"], { env: terminalEnv });
  if (probe.exitCode !== 0) return null;
  // `PID TTY`
  const placeFile = join(await tempDir(), 'place');
  const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const words = [process.execPath, program, ...args].map(shellQuote).join(' ');
  const command = `stty columns ${columns}; echo $$ $(tty) > ${shellQuote(placeFile)}; exec ${words}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], { env: terminalEnv, stdio: 'pipe' });
  onCleanup(() => stopProcessTree(child));
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const readPlace = async () => {
    const [, pid, tty] = /^(\d+) (\S+)\n$/.exec(await readFile(placeFile, 'utf8').catch(() => '')) ?? [];
    return pid === undefined || tty === undefined ? null : { pid: Number(pid), tty };
  };
  const findPlace = () => waitUntil(readPlace, 'the pid and the terminal of the program');
  const withoutMark = () => shown.replaceAll(STALL_MARK, '');
  return {
    shown: withoutMark,
    waitFor: async (pattern) => {
      await waitUntil(() => pattern.test(withoutMark()), `${pattern} on the terminal`).catch((error) => {
        throw new Error(`${error}\n${JSON.stringify(shown)}`);
      });
    },
    type: (line) => void child.stdin.write(`${line}\n`),
    press: (keys) => void child.stdin.write(keys),
    resize: async (to) => {
      const { tty } = await findPlace();
      const resized = await runProcess('sh', ['-c', 'stty columns "$1" <"$2"', 'sh', String(to), tty], {
        env: terminalEnv,
      });
      if (resized.exitCode !== 0) throw new Error(`${tty} cannot be resized: ${resized.stderr}`);
    },
    signal: async (name) => {
      process.kill((await findPlace()).pid, name);
    },
    exited,
  };
}
