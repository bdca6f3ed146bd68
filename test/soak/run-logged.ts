import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { programUnderTest } from '../support/program-under-test.js';

/** What a program ended as. */
export interface LoggedEnd {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** All it said. */
  readonly output: string;
}

/**
 * Runs the built program until it ends; an abort kills it. What it says goes straight into a file, behind
 * what is there, so that it can be read while the program runs and is all there when both are killed.
 */
export async function runLogged(
  args: readonly string[],
  options: { readonly env: Record<string, string>; readonly file: string; readonly signal: AbortSignal },
): Promise<LoggedEnd> {
  const log = await open(options.file, 'a+');
  try {
    const { size } = await log.stat();
    const [file, ...first] = programUnderTest();
    const child = spawn(file, [...first, ...args], { env: options.env, stdio: ['ignore', log.fd, log.fd] });
    const kill = (): void => void child.kill('SIGKILL');
    options.signal.addEventListener('abort', kill);
    const ended = await new Promise<Omit<LoggedEnd, 'output'>>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
    });
    options.signal.removeEventListener('abort', kill);
    const output = Buffer.alloc((await log.stat()).size - size);
    await log.read(output, 0, output.length, size);
    await log.appendFile(`--- ${ended.signal ?? ended.exitCode}\n`);
    return { ...ended, output: output.toString('utf8') };
  } finally {
    await log.close();
  }
}
