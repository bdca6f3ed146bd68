import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addKey, removeKey } from '../../../src/admin/keys.js';
import { makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { runCliHere } from '../../support/cli-here.js';
import { runFaulty, stepsOf } from '../../support/dying-cli.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { numbered, stepsToTry } from '../../support/steps-to-try.js';

async function keysOf(bridge: PlainBridge, authorizedKeys: string) {
  const lines = (await readFile(authorizedKeys, 'utf8').catch(() => ''))
    .split('\n')
    .filter((one) => one !== '');
  const roles = await readdir(join(bridge.repoPath, 'bridge', 'principals'));
  return { lines: lines.length, roles: roles.filter((one) => !one.includes('.')).length };
}

async function place() {
  const bridge = await startPlainBridge();
  const authorizedKeys = join(bridge.dir, 'authorized_keys');
  const { publicKeyFile } = await makeKeyPair(join(bridge.dir, 'key'), 'bot');
  const where = ['--repo', bridge.repoPath, '--authorized-keys', authorizedKeys];
  const add = ['key', 'add', 'bot', '--role', 'asker', '--key', publicKeyFile, ...where];
  const remove = ['key', 'remove', 'bot', ...where];
  // The same as the two commands, without the start of node.
  const store = { repoPath: bridge.repoPath, authorizedKeysFile: authorizedKeys, env: bridge.env };
  const letIn = () => addKey(store, { name: 'bot', role: 'asker', key: publicKeyFile });
  const shutOut = () => removeKey(store, 'bot');
  return { bridge, authorizedKeys, add, remove, letIn, shutOut };
}

/** What puts a role or a line in its place, or takes it away. */
const TELLING = /^(?:rename|rm|unlink) .*(?:authorized_keys|principals)/;

test('key add, killed before any step, never lets a key in without a role, and works when run again', async () => {
  const { bridge, authorizedKeys, add, shutOut } = await place();
  const seen = new Set<string>();
  const steps = await stepsOf(add, { env: bridge.env });
  await shutOut();
  // And one behind the last.
  for (const { at } of [...stepsToTry(numbered(steps), TELLING), { at: steps.length + 1 }]) {
    const hit = await runFaulty(add, { env: bridge.env }, at, 'dies');
    const { lines, roles } = await keysOf(bridge, authorizedKeys);
    seen.add(`${roles} role, ${lines} line`);
    expect(lines, hit.step ?? '').toBeLessThanOrEqual(roles);
    const again = await runCliHere(add, { env: bridge.env });
    expect(again.exitCode, `after ${hit.step}: ${again.stderr}`).toBe(0);
    expect(await keysOf(bridge, authorizedKeys)).toEqual({ lines: 1, roles: 1 });
    expect(hit.step === null).toBe(at > steps.length);
    await shutOut();
  }
  // Also between the two.
  expect(seen).toContain('1 role, 0 line');
}, 240_000);

test('key remove, killed before any step, never leaves a role to a key without a line, and works when run again', async () => {
  const { bridge, authorizedKeys, remove, letIn } = await place();
  const seen = new Set<string>();
  await letIn();
  const steps = await stepsOf(remove, { env: bridge.env });
  for (const { at } of [...stepsToTry(numbered(steps), TELLING), { at: steps.length + 1 }]) {
    await letIn();
    const hit = await runFaulty(remove, { env: bridge.env }, at, 'dies');
    const { lines, roles } = await keysOf(bridge, authorizedKeys);
    seen.add(`${roles} role, ${lines} line`);
    expect(roles, hit.step ?? '').toBeLessThanOrEqual(lines);
    const again = await runCliHere(remove, { env: bridge.env });
    // Both may be gone already: then there is no such key any more.
    if (lines > 0) expect(again.exitCode, `after ${hit.step}: ${again.stderr}`).toBe(0);
    expect(await keysOf(bridge, authorizedKeys)).toEqual({ lines: 0, roles: 0 });
    expect(hit.step === null).toBe(at > steps.length);
  }
  expect(seen).toContain('0 role, 1 line');
}, 240_000);
