import { expect, test } from 'vitest';
import { readBridgeSettings } from '../../../src/bridge/bridge-settings.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { openCitations } from '../../../src/rules/citations.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';

// SECURITY.md: P10

/** A blob on main, one in a claim, and two that no key can fetch: under a ref, and under none. */
async function citing(principal: Parameters<typeof openCitations>[0]['principal']) {
  const { git, gitDir, env } = await bareBridge();
  const blob = (text: string) => git(['hash-object', '-w', '--stdin'], text);
  const [shown, claimed, hidden, loose, sent] = [
    await blob('a task'),
    await blob('a claim'),
    await blob('of the owner'),
    await blob('left behind'),
    await blob('sent just now'),
  ];
  const tree = await git(['mktree'], `100644 blob ${shown}\ttask.txt\n`);
  const asked = await git(['commit-tree', tree, '-p', 'main', '-m', 'ask: a task']);
  const gone = await git(['commit-tree', await git(['mktree'], ''), '-p', asked, '-m', 'removed']);
  await git(['update-ref', 'refs/heads/main', gone]);
  await git(['update-ref', `refs/bridge/claims/${asked}`, claimed]);
  await git(['update-ref', 'refs/bridge/notes/mine', hidden]);
  const repo = { gitDir, env };
  const reader = openObjectReader(repo);
  const incoming = { loose: [sent], packed: [] };
  const citations = openCitations({
    ...{ repo, reader, principal, incoming, idBytes: 20, settings: readBridgeSettings(repo) },
    // The gate made a copy, and no pack came.
    packCopy: 0,
  });
  onCleanup(() => {
    citations.close();
    reader.close();
  });
  return { citations, shown, claimed, hidden, loose, sent };
}

test('a key may cite what it sent and what every key can fetch, and nothing else that the server has', async () => {
  const { citations, shown, claimed, hidden, loose, sent } = await citing({ name: 'bot', role: 'asker' });
  for (const id of [hidden, loose]) expect(await citations.mayCite(id, 'task.txt')).toBe('no');
  expect(await citations.mayCite(sent, 'task.txt')).toBe('yes');
  expect(await citations.mayCite(claimed, 'task.txt')).toBe('yes');
  expect(await citations.mayCite(shown, 'task.txt')).toBe('yes');
  expect(await citations.mayCite(shown, 'inbox.json')).toBe('no');
});

test('the owner may cite anything', async () => {
  const { citations, hidden } = await citing(null);
  expect(await citations.mayCite(hidden, 'task.txt')).toBe('yes');
});
