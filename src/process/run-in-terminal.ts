import { type Command, type StartOptions, spawnProgram } from './start-program.js';

/**
 * Runs a program at our terminal, with our standard input and output: it may ask a person there, and a
 * Ctrl-C reaches it. Returns its exit code, 1 where a signal ended it. Rejects with Node's error where it
 * cannot be started.
 */
export function runInTerminal(command: Command, options: Omit<StartOptions, 'ownGroup'>): Promise<number> {
  return new Promise((resolve, reject) => {
    // What it prints is for the person: standard output is the command's own.
    const child = spawnProgram(command, ['inherit', process.stderr, 'inherit'], options);
    child.on('error', reject);
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
}
