import { startProgram } from '../process/start-program.js';
import { argsOn, type Repository } from './run-git.js';

/** A git (`cat-file --batch-command`) whose output is read by lines and by numbers of bytes. */
export interface BatchPipe {
  send(text: string): void;
  line(): Promise<string>;
  bytes(count: number): Promise<Buffer>;
  ended(): boolean;
  close(): void;
}

/** Starts it. Where it ends early, what waits for output fails with what git said. */
export function openBatchPipe(repo: Repository): BatchPipe {
  const command = ['git', ...argsOn(repo, ['cat-file', '--batch-command'])] as const;
  const child = startProgram(command, { env: repo.env, stdin: 'pipe' });
  let chunks: Buffer[] = [];
  let length = 0;
  let ended = false;
  let failure: Error | null = null;
  let stderr = '';
  let wake: (() => void) | null = null;
  const end = (error?: Error) => {
    ended = true;
    failure ??= error ?? null;
    wake?.();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    wake?.();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-1000);
  });
  child.stdin.on('error', () => {});
  child.on('error', end);
  child.on('close', () => end());

  async function more(): Promise<void> {
    if (ended) throw failure ?? new Error(`git cat-file ended early: ${stderr.trim()}`);
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    wake = null;
  }
  function joined(): Buffer {
    const [first] = chunks;
    const all = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
    chunks = [all];
    return all;
  }
  function take(count: number): Buffer {
    const all = joined();
    chunks = [all.subarray(count)];
    length = all.length - count;
    return all.subarray(0, count);
  }

  return {
    send: (text) => void child.stdin.write(text),
    async line() {
      for (;;) {
        const all = joined();
        const newline = all.indexOf(0x0a);
        if (newline >= 0) return take(newline + 1).toString('utf8', 0, newline);
        await more();
      }
    },
    async bytes(count) {
      while (length < count) await more();
      return take(count);
    },
    ended: () => ended,
    close: () => {
      // Closing its input ends it; nothing waits for that. A pipe that nobody reads must not keep this
      // process alive.
      child.stdin.end();
      child.stdout.resume();
      child.unref();
    },
  };
}
