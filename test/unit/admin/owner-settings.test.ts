import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { expectedHooks } from '../../../src/admin/install-hooks.js';
import { OWNER_SETTINGS } from '../../../src/admin/repository-settings.js';
import { parseBridgeSettings } from '../../../src/bridge/bridge-settings.js';

const read = (path: string) => readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');
const fallbacks = new Map(OWNER_SETTINGS.map(({ key, fallback }) => [key.toLowerCase(), fallback]));

/**
 * What ssh-command reads of the settings, with the default it has for each: `setting taskttl 7d`, `bytes
 * maxtaskbytes`, and `bytes maxstreambytes "$largest"` behind `largest=16777216`.
 */
async function readByShell(): Promise<(readonly [key: string, fallback: string])[]> {
  const installed = await expectedHooks({ node: '', path: '' });
  const text = installed.find(({ target }) => target === 'bridge/ssh-command')?.text ?? '';
  const calls = text.matchAll(/^ +(?:setting|bytes) ([a-z]+) ?(\S*)$/gm);
  return [...calls].map(({ 1: key = '', 2: fallback = '', index }) => {
    const [, name] = /^"\$(\w+)"$/.exec(fallback) ?? [];
    const before = text.slice(0, index).matchAll(new RegExp(`^ +${name}=(\\d+)$`, 'gm'));
    const said = name === undefined ? fallback : ([...before].at(-1)?.[1] ?? '');
    return [`bridge.${key}`, said || '8388608'] as const;
  });
}

test('the table of settings has every key of [bridge] that the program reads, and no other', async () => {
  const keys = (await readBySource()).concat((await readByShell()).map(([key]) => key));

  expect([...new Set(keys)].sort()).toEqual([...fallbacks.keys(), 'bridge.version'].sort());
});

async function readBySource(): Promise<string[]> {
  const text = await read('src/bridge/bridge-settings.ts');
  return [...text.matchAll(/values\.get\('(bridge\.[a-z]+)'\)/g)].map(([, key = '']) => key);
}

test('what it calls the default is what counts where a setting is missing', async () => {
  const version = 'bridge.version 2';
  const written = [...fallbacks].map(([key, fallback]) => `${key} ${fallback}`);
  const missing = parseBridgeSettings('/srv/bridge.git', [version]);

  // A bridge without bridge.claimLease was made before there were claims, and has none.
  expect(missing?.claimLeaseMs).toBeNull();
  expect(parseBridgeSettings('/srv/bridge.git', [version, ...written])).toEqual({
    ...missing,
    claimLeaseMs: 60_000,
  });
  for (const [key, fallback] of await readByShell()) expect(fallback, key).toBe(fallbacks.get(key));
});
