import { errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { excerpt } from '../protocol/text.js';
import { runProgram } from './run-program.js';
import type { Command } from './start-program.js';

/** How much of its standard error is kept, in bytes, and how much of that is told, in characters. */
const MAX_SAID_BYTES = 4096;
const MAX_TOLD_CHARS = 200;

/**
 * Runs a command line that the owner of this machine gave, in the shell of the system, and waits until it
 * has ended. Returns null where it went well, else what went wrong, in one line for the log. What the
 * command printed is part of it only with `LLM_BRIDGE_DEBUG`: a failing `curl` or `ssh` may repeat a token
 * or a key. It is ended after `timeoutMs`. Rejects with the signal's reason once that aborts.
 */
export async function runShellLine(
  line: string,
  options: { readonly env: NodeJS.ProcessEnv; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string | null> {
  const output = { maxBytes: MAX_SAID_BYTES, keep: 'first', merged: true } as const;
  try {
    // A child that it leaves behind may keep its output open for ever.
    const run = { ...options, output, lastOutputMs: 1000 };
    const { exitCode, killedBy, endedFor, stdout } = await runProgram(shellOf(line), run);
    if (exitCode === 0) return null;
    const said = excerpt(oneLine(stdout.toString('utf8')), MAX_TOLD_CHARS);
    const end = endedFor === 'time' ? 'took too long' : `ended with ${exitCode ?? killedBy}`;
    if (said === '') return end;
    return options.env.LLM_BRIDGE_DEBUG
      ? `${end}: ${said}`
      : `${end}; LLM_BRIDGE_DEBUG=1 shows what it printed`;
  } catch (error) {
    options.signal.throwIfAborted();
    return errorText(error);
  }
}

function shellOf(line: string): Command {
  // biome-ignore lint/plugin: Windows has taken the other branch
  return process.platform === 'win32' ? ['cmd.exe', '/d', '/s', '/c', line] : ['/bin/sh', '-c', line];
}
