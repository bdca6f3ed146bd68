import { expect } from 'vitest';
import { waitUntil } from '../wait-until.js';
import type { HostileBridge } from './hostile-bridge.js';
import { readServerState, serverProcesses } from './server-state.js';

/**
 * Runs an attack and compares the server with its state before. It checks the message (each pattern), every
 * file of the repository (refs, reflogs, objects, answers.log, config, hooks), and that no process of the
 * key is left.
 */
export async function refused(
  bridge: HostileBridge,
  who: string,
  attack: () => Promise<string>,
  ...told: readonly (RegExp | string)[]
): Promise<void> {
  const { repoPath } = bridge.fixture;
  const before = readServerState(repoPath);
  const text = await attack();
  for (const pattern of told) expect(text).toMatch(pattern);
  await waitUntil(() => serverProcesses(repoPath, who).length === 0, `no process of ${who}`);
  expect(changes(before, readServerState(repoPath))).toEqual([]);
}

/** The differences between two states of a server: `+` new, `-` gone, `~` other content. */
export function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name) => {
    if (before.get(name) === after.get(name)) return [];
    return [`${before.has(name) ? (after.has(name) ? '~' : '-') : '+'}${name}`];
  });
}
