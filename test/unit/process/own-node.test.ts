import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownNode } from '../../../src/process/own-node.js';
import { tempDir } from '../../support/temp-dir.js';

test('the node of Homebrew goes by the link that an upgrade keeps, if that is this very node', async () => {
  const prefix = await tempDir();
  const version = async (formula: string, name: string) => {
    const bin = join(prefix, 'Cellar', formula, name, 'bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'node'), '');
    return join(bin, 'node');
  };
  const [old, current, pinned] = [
    await version('node', '23.1.0'),
    await version('node', '24.1.0'),
    await version('node@22', '22.4.0'),
  ];
  await mkdir(join(prefix, 'opt'));
  await symlink('../Cellar/node/24.1.0', join(prefix, 'opt/node'));
  await symlink('../Cellar/node@22/22.4.0', join(prefix, 'opt/node@22'));

  expect(ownNode(current)).toBe(join(prefix, 'opt/node/bin/node'));
  expect(ownNode(pinned)).toBe(join(prefix, 'opt/node@22/bin/node'));
  expect(ownNode(old)).toBe(old);
  await rm(join(prefix, 'opt/node'));
  expect(ownNode(current)).toBe(current);
});

test.each([
  '/usr/bin/node',
  '/home/me/.nvm/versions/node/v22.1.0/bin/node',
  'C:\\Program Files\\nodejs\\node.exe',
])('%s goes by itself', (node) => {
  expect(ownNode(node)).toBe(node);
});
