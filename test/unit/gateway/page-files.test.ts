import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPageFile, pageFile } from '../../../src/gateway/page-files.js';
import { tempDir } from '../../support/temp-dir.js';

test('the files of the page are three, and nothing else of the disk is one', async () => {
  expect(['/', '/page/page.js', '/page/page.css'].map(isPageFile)).toEqual([true, true, true]);
  for (const path of ['/page/index.html', '/page/../page.js', '/page/page.js/', 'constructor', '/etc/passwd'])
    expect(isPageFile(path)).toBe(false);
  await expect(pageFile('/etc/passwd')).rejects.toMatchObject({ status: 404 });
});

test('the page may load nothing from elsewhere, run nothing inline, and be shown in no other page', async () => {
  const folder = join(await tempDir(), 'page');
  await mkdir(folder);
  await writeFile(join(folder, 'index.html'), '<p>');
  const { headers } = await pageFile('/', folder);
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
});
