import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { cleanEnv } from './clean-env.js';
import { programUnderTest } from './program-under-test.js';
import { runProcess } from './run-process.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of a bridge that `init` has just made, and that nobody changes. */
    readonly newBridge: string;
    /** A bare clone of it, for copies as well. */
    readonly newClone: string;
  }
}

/**
 * vitest global setup: has the built program make one bridge. Tests that need a new one get a copy of it,
 * because `init` takes a start of node and a dozen of git. No file of a bridge names the place where it is.
 */
export async function setup(project: TestProject): Promise<() => void> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'llm-bridge-test-bridge-')));
  const newBridge = join(dir, 'bridge.git');
  const env = cleanEnv(dir);
  await initBridge(newBridge, env);
  project.provide('newBridge', newBridge);
  const newClone = join(dir, 'clone.git');
  await runProcess('git', ['clone', '--bare', '--quiet', newBridge, newClone], { env });
  // Only the examples that git has of them.
  rmSync(join(newClone, 'hooks'), { recursive: true });
  project.provide('newClone', newClone);
  return () => rmSync(dir, { recursive: true, force: true });
}

/** Puts a copy of `newBridge` at `repoPath`, with the modes of its files. */
export function copyBridge(newBridge: string, repoPath: string): void {
  // In one go: to wait for each of many small files costs more than the copies do.
  cpSync(newBridge, repoPath, { recursive: true, errorOnExist: true, force: false });
}

/** Has the built program make a bridge. Throws with its output where it fails. */
export async function initBridge(repoPath: string, env: NodeJS.ProcessEnv): Promise<void> {
  const [file, ...first] = programUnderTest();
  const { exitCode, stdout, stderr } = await runProcess(file, [...first, 'init', repoPath], { env });
  if (exitCode !== 0) throw new Error(`llm-bridge init exited with ${exitCode}\n${stderr}${stdout}`);
}
