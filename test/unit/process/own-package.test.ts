import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { installAgain, updateElsewhere, updateHere } from '../../../src/process/own-package.js';
import { tempDir } from '../../support/temp-dir.js';

const MAKE = 'in a checkout of llm-bridge: git pull && npm ci && npm run build && npm pack';

async function folderAt(...parts: string[]): Promise<{ top: string; folder: string }> {
  const top = await tempDir();
  const folder = join(top, ...parts);
  await mkdir(folder, { recursive: true });
  return { top, folder };
}

test('a checkout is updated where it lies', async () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
  expect(updateHere()).toBe(`cd ${root} && git pull && npm ci && npm run build`);
  const { folder } = await folderAt("bob's checkout");
  expect(updateHere(folder)).toMatch(/^cd '.*\/bob'\\''s checkout' && git pull && /);
  expect(installAgain(folder)).toMatch(/^cd '.*' && npm ci && npm run build$/);
});

test('a global installation is updated from a new tarball, in the prefix where it is', async () => {
  const { top, folder } = await folderAt('lib/node_modules/git-llm-bridge');
  const install = `then here: npm install -g --prefix ${top} ./git-llm-bridge-VERSION.tgz`;
  expect(updateHere(folder)).toBe(`${MAKE}; ${install}`);
  expect(installAgain(folder)).toBe(
    `in a checkout of llm-bridge: npm ci && npm run build && npm pack; ${install}`,
  );
});

test('a global installation on Windows has no folder lib', async () => {
  const { top, folder } = await folderAt('node_modules/git-llm-bridge');
  expect(updateHere(folder)).toMatch(new RegExp(`npm install -g --prefix ${top} \\./git-llm-bridge-VERSION`));
});

test('a dependency of a project is updated in that project', async () => {
  const { top, folder } = await folderAt('node_modules/git-llm-bridge');
  await writeFile(join(top, 'package.json'), '{}');
  expect(updateHere(folder)).toBe(
    `${MAKE}; then here: npm install --prefix ${top} ./git-llm-bridge-VERSION.tgz`,
  );
});

test('other machines are updated from the tarball, and the server runs init', () => {
  expect(updateElsewhere('the server')).toBe(
    `${MAKE}; then on the server: npm install -g ./git-llm-bridge-VERSION.tgz, and "llm-bridge init" on the server`,
  );
});
