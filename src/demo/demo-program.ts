import { runProgram } from '../process/run-program.js';
import { startTied } from '../process/start-tied.js';
import { BridgeError } from '../protocol/bridge-error.js';

/** The command line that starts this program. */
export type OwnProgram = readonly [node: string, entry: string];

/**
 * Runs this program with arguments and returns its stdout. Throws BridgeError `demo-failed` with its stderr,
 * and the signal's reason.
 */
export async function runOwnProgram(
  program: OwnProgram,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram([...program, ...args], { env, signal });
  if (exitCode !== 0) throw failed(args[0] ?? '', stderr);
  return stdout.toString('utf8');
}

/** An agent in the background. */
export interface DemoAgent {
  /** Rejects when the agent ends by itself. Never resolves. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** An agent ends within 5 s of SIGTERM. One that has not after this time is killed. Milliseconds. */
const LATE_MS = 10_000;

/** Starts the agent as a separate process, which ends when this one does. */
export function startDemoAgent(
  program: OwnProgram,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  lateMs = LATE_MS,
): DemoAgent {
  // In its own process group, so that Ctrl-C at the terminal reaches only the demo, which then stops the
  // agent once and in good order.
  const { child, end } = startTied([...program, ...args], { env });
  child.stdout?.resume();
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const failing = ended.then((): never => {
    throw failed('agent', stderr);
  });
  // When the demo itself stops the agent, nobody may be waiting for this promise any more.
  failing.catch(() => {});
  return {
    failed: failing,
    async stop() {
      // Not its whole group: it has git work to finish.
      child.kill('SIGTERM');
      const killing = setTimeout(() => void end(), lateMs);
      await ended;
      clearTimeout(killing);
    },
  };
}

function failed(command: string, stderr: string): BridgeError {
  const said = /error: (.*)/.exec(stderr)?.[1] ?? stderr.trim().split('\n').at(-1) ?? '';
  return new BridgeError(`the demo's "llm-bridge ${command}" failed: ${said}`, {
    code: 'demo-failed',
    remedy: /try: (.*)/.exec(stderr)?.[1] ?? 'run the demo again; please report it if it stays',
  });
}
