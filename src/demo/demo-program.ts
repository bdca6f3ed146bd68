import { spawn } from 'node:child_process';
import { BridgeError } from '../protocol/bridge-error.js';

type Program = readonly [node: string, entry: string];

/** Runs this program with arguments and answers its stdout. Throws BridgeError `demo-failed` with its stderr. */
export function runProgram(
  [node, entry]: Program,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [entry, ...args], { env, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(stdout) : reject(failed(args[0] ?? '', stderr))));
  });
}

/** An agent in the background. */
export interface DemoAgent {
  /** Rejects when the agent ends by itself. Never resolves. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Starts the agent as a program of its own. */
export function startDemoAgent(
  [node, entry]: Program,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): DemoAgent {
  const child = spawn(node, [entry, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const failing = ended.then((): never => {
    throw failed('agent', stderr);
  });
  // Nobody may be racing for it any more when the demo itself stops the agent.
  failing.catch(() => {});
  return {
    failed: failing,
    async stop() {
      child.kill('SIGTERM');
      await ended;
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
