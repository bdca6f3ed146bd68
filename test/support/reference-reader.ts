import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runProcess } from './run-process.js';

/** The second reader of the protocol, which docs/protocol.md points to. */
export const REFERENCE_READER = fileURLToPath(
  new URL('../../docs/reference/bridge_reader.py', import.meta.url),
);

/** Why the second reader cannot run here, for the title of a test that is skipped; null where it can. */
export function whyNoReader(): string | null {
  const { status, stdout } = spawnSync('python3', ['-c', 'import sys; print(sys.version_info >= (3, 8))']);
  if (status !== 0) return 'python3 is not installed here';
  return String(stdout).trim() === 'True' ? null : 'python3 is older than 3.8 here';
}

/** Runs the second reader to its end. */
export function runReader(args: readonly string[], env: NodeJS.ProcessEnv) {
  // Without -B it would leave a folder of bytecode beside the document.
  return runProcess('python3', ['-B', REFERENCE_READER, ...args], { env, timeoutMs: 170_000 });
}
