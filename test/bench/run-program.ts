import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What a program said and how it ended. */
export interface ProgramResult {
  readonly stdout: string;
  readonly stderr: string;
  /** From its start to its end, by a clock that never jumps. */
  readonly elapsedMs: number;
}

/** How a program is run. */
export interface ProgramOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Written to its standard input, at the pace at which it reads. */
  readonly input?: Iterable<string | Buffer> | AsyncIterable<string | Buffer>;
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. Throws with what it said where it ends with anything but 0. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = spawn(file, args, {
      env: options.env,
      cwd: options.cwd,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const elapsedMs = performance.now() - startedAt;
      if (code === 0) resolve({ stdout, stderr, elapsedMs });
      else {
        const command = [file, ...args].join(' ').slice(0, 300);
        reject(new Error(`${command} ended with ${code ?? signal}: ${stderr.trim().slice(-1000)}`));
      }
    });
    if (child.stdin !== null) {
      // A program may end without reading its input; its exit code tells then, not the broken pipe.
      pipeline(Readable.from(options.input ?? []), child.stdin).catch(() => {});
    }
  });
}
