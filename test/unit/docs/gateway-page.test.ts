import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { REQUEST_PATHS } from '../../../src/protocol/request.js';

// docs/gateway.md is a contract: each of its sentences names the test that holds it.

const root = new URL('../../../', import.meta.url);
const page = await readFile(new URL('docs/gateway.md', root), 'utf8');
const sentences = page.split('\n').filter((line) => line.startsWith('- '));

describe('the contract of the gateway', () => {
  test.each(sentences.map((line) => [line.replace(/ *<!--.*/, '').slice(2), line] as const))(
    'has a test: %s',
    async (_sentence, line) => {
      const holds = [...line.matchAll(/<!-- (\S+): (.*?) -->/g)];
      expect(holds.length).toBeGreaterThan(0);
      for (const [, file, title = ''] of holds) {
        const text = await readFile(new URL(`test/${file}.test.ts`, root), 'utf8');
        // The formatter breaks long titles nowhere, and quotes those with an apostrophe in another way.
        expect(text.includes(title), `${file}: ${title}`).toBe(true);
      }
    },
  );

  test('names every path that goes into the bridge', () => {
    for (const path of REQUEST_PATHS) expect(page).toContain(`\`${path}\``);
  });
});

test('the page of clients names errors that there are', async () => {
  const clients = await readFile(new URL('docs/clients.md', root), 'utf8');
  const codes = [...clients.matchAll(/^\| 40\d `(\w+)`/gm)].map(([, code = '']) => code);
  const sources = [
    'gateway/error-response.ts',
    'gateway/routes/routes-of-nothing.ts',
    'gateway/bridge-models.ts',
    'gateway/doors/request-door.ts',
  ];
  const texts = await Promise.all(sources.map((file) => readFile(new URL(`src/${file}`, root), 'utf8')));
  expect(codes).toHaveLength(3);
  for (const code of codes) expect(texts.join()).toContain(`code: '${code}'`);
});
