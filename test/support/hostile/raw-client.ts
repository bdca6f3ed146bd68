import { type ChildProcess, spawn } from 'node:child_process';
import { sshOptionsFor } from '../../../src/demo/ssh-client.js';
import { stopProcessTree } from '../../../src/process/stop-process-tree.js';
import type { BridgeFixture, Principal } from '../bridge-fixture.js';
import { onCleanup } from '../on-cleanup.js';
import { readPktLines } from './pkt-line.js';

/** The whole output of a server. */
export interface RawResult {
  readonly exitCode: number | null;
  /** Everything on standard output. */
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Standard error, and standard output without its packet frames: the text to search for a refusal. */
  readonly text: string;
}

/** A connection over the real ssh that speaks no protocol of its own. */
export interface RawClient {
  /** The pid of our ssh. */
  readonly pid: number;
  /** The pkt-lines of the server up to its first flush: the advertisement. */
  advertisement(): Promise<string[]>;
  send(bytes: Buffer | string): void;
  /** Ends our side of the stream. */
  end(): void;
  /** Cuts the connection. */
  kill(): void;
  /** The server's output until it closes the connection. */
  readonly closed: Promise<RawResult>;
}

/** Options for the ssh client, and additions to its environment. */
export interface RawClientOptions {
  readonly sshArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `command` on the server with the key of `who`. */
export function openRawClient(
  bridge: BridgeFixture,
  who: Principal,
  command: string | null,
  options: RawClientOptions = {},
): RawClient {
  const args = [
    ...(options.sshArgs ?? []),
    ...sshOptionsFor(bridge.sshd, who.identityFile),
    `${bridge.sshd.user}@${bridge.sshd.host}`,
    ...(command === null ? [] : [command]),
  ];
  const child = spawn('ssh', args, {
    env: { ...who.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onCleanup(() => stopProcessTree(child));
  return overProcess(child);
}

function overProcess(child: ChildProcess): RawClient {
  const chunks: Buffer[] = [];
  let stderr = '';
  let ended = false;
  let wake: () => void = () => {};
  child.stdout?.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    wake();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // The server may close the connection while we still send. Then its output counts, not the broken pipe.
  child.stdin?.on('error', () => {});
  const closed = new Promise<RawResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      ended = true;
      wake();
      const stdout = Buffer.concat(chunks);
      resolve({ exitCode, stdout, stderr, text: `${stderr}\n${plainText(stdout)}` });
    });
  });
  return {
    pid: child.pid ?? Number.NaN,
    async advertisement() {
      for (;;) {
        const { lines } = readPktLines(Buffer.concat(chunks));
        const flush = lines.indexOf(null);
        if (flush >= 0) return lines.slice(0, flush).map((line) => line?.toString('latin1') ?? '');
        if (ended) throw new Error(`the server ended without an advertisement: ${stderr}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    send: (bytes) => void child.stdin?.write(bytes),
    end: () => void child.stdin?.end(),
    kill: () => void child.kill('SIGKILL'),
    closed,
  };
}

/** Removes packet frames and sideband bytes; a status report inside the sideband is framed twice. */
function plainText(stdout: Buffer): string {
  let text = '';
  let report = Buffer.alloc(0);
  const { lines, rest } = readPktLines(stdout);
  for (const line of lines) {
    if (line === null) continue;
    if (line[0] === 1) report = Buffer.concat([report, line.subarray(1)]);
    else text += line[0] === 2 || line[0] === 3 ? line.toString('utf8', 1) : line.toString('utf8');
  }
  const inner = readPktLines(report);
  for (const line of inner.lines) text += line === null ? '' : `\n${line.toString('utf8')}`;
  return text + inner.rest.toString('utf8') + rest.toString('latin1');
}
