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

  // [what the page says, the file and the line that make it so]
  test.each([
    ['A call waits `--wait` (240 s)', 'cli/options/gateway-options', 'DEFAULT_WAIT_S = 240;'],
    ['a task lives on for `--linger` (60 s)', 'cli/options/gateway-options', 'DEFAULT_LINGER_S = 60;'],
    ['while a thousand others wait', 'gateway/open-gateway', 'MAX_CALLS = 1_000;'],
    ['the bodies of those fill 64 MiB', 'gateway/open-gateway', 'MAX_HELD_BYTES = 64 * 1024 * 1024;'],
    ['up to 200 MiB', 'gateway/batches/batch-files', 'maxFileBytes: 200 * 1024 * 1024,'],
    ['1 GiB', 'gateway/batches/batch-files', 'maxTokenBytes: 1024 * 1024 * 1024,'],
    ['1,000 files a token', 'gateway/batches/batch-files', 'maxTokenFiles: 1_000,'],
    ['does not take within ten seconds', 'gateway/spread-calls', 'MOVE_ON_MS = 10_000;'],
    ['a minute after it asked last', 'gateway/fresh-terms', 'AGE_MS = 60_000;'],
    ['for 50 seconds after one', 'bridge/held-session', 'HOLD_MS = 50_000;'],
    ['it hears up to 256', 'bridge/stream-folder', 'MAX_STREAMS = 256;'],
    ['over four sessions', 'bridge/ssh-streams', 'MAX_LISTENERS = 4;'],
    ['(over ssh within five seconds)', 'gateway/bridge-page', 'WHO_ELSEWHERE_MS = 5_000;'],
    ['the newest 2,000 answers', 'gateway/newest-answers', 'MAX_WHOLE = 2_000;'],
    ['the newest 20,000 answers', 'gateway/newest-answers', 'MAX_COUNTED = 20_000;'],
    ['over four weeks', 'gateway/hour-figures', 'MAX_HOURS = 24 * 28;'],
  ])('has the number of the source: %s', async (words, file, line) => {
    expect(page).toContain(words);
    expect(await readFile(new URL(`src/${file}.ts`, root), 'utf8')).toContain(line);
  });

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
    'gateway/guards/request-guard.ts',
  ];
  const texts = await Promise.all(sources.map((file) => readFile(new URL(`src/${file}`, root), 'utf8')));
  expect(codes).toHaveLength(3);
  for (const code of codes) expect(texts.join()).toContain(`code: '${code}'`);
});
