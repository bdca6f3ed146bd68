import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCliHere } from '../../support/cli-here.js';
import { type GatewayFixture, startGatewayFixture } from '../../support/gateway-fixture.js';

let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await startGatewayFixture();
});

function llmBridge(...args: readonly string[]) {
  return runCliHere([...args, '--repo', fixture.bridge.repoPath], { env: fixture.bridge.env });
}

async function fileOf(name: string, lines: readonly string[]): Promise<string> {
  const file = join(fixture.bridge.dir, name);
  await writeFile(file, lines.join('\n'));
  return file;
}

function lineOf(customId: string, content: string): string {
  const body = { model: 'llama3.2', messages: [{ role: 'user', content }] };
  return JSON.stringify({ custom_id: customId, method: 'POST', url: '/v1/chat/completions', body });
}

describe('a batch from the shell', () => {
  test('is asked without a gateway, once however often it is run, and a gateway sees it', async () => {
    const file = await fileOf('night.jsonl', [lineOf('a', '2+2'), lineOf('b', '3+3')]);
    const { stdout, exitCode } = await llmBridge('ask', '--batch', file, '--metadata', 'run=1');
    expect(exitCode).toBe(0);
    const id = stdout.trim();
    expect(id).toMatch(/^batch_[0-9a-f]{24}$/);
    const again = await llmBridge('ask', '--batch', file, '--metadata', 'run=1');
    expect([again.stdout.trim(), again.stderr]).toEqual([id, expect.stringContaining('asked before')]);
    const other = await llmBridge('ask', '--batch', file, '--metadata', 'run=2');
    expect(other.stdout.trim()).not.toBe(id);
    const client = new OpenAI({ baseURL: `${fixture.url}/v1`, apiKey: 'any', maxRetries: 0 });
    await expect
      .poll(() => client.batches.retrieve(id), { timeout: 60_000 })
      .toMatchObject({
        ...{ status: 'completed', metadata: { run: '1' }, input_file_id: 'night.jsonl' },
      });
    const shown = await llmBridge('batch', 'show', id.slice(0, 14));
    expect(shown.stdout).toMatch(new RegExp(`^${id}  completed    2/2  .* ago  night.jsonl  /v1/chat`));
    const listed = await llmBridge('batch', 'list', '--json');
    expect(listed.stdout.trim().split('\n')).toHaveLength(2);
    const results = await llmBridge('batch', 'results', id);
    const lines = results.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { custom_id: string });
    expect([results.exitCode, lines.map(({ custom_id }) => custom_id)]).toEqual([0, ['a', 'b']]);
    const { output_file_id } = await client.batches.retrieve(id);
    expect(results.stdout).toBe(await (await client.files.content(output_file_id ?? '')).text());
    const over = await llmBridge('batch', 'cancel', id);
    expect([over.exitCode, over.stderr]).toEqual([1, expect.stringContaining('is completed')]);
  });

  test('is told of each line that is wrong, and nothing is asked', async () => {
    const file = await fileOf('bad.jsonl', [lineOf('a', 'x'), lineOf('a', 'y'), '{', lineOf('b', 'z')]);
    const { stdout, stderr, exitCode } = await llmBridge('ask', '--batch', file);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect((await llmBridge('batch', 'list')).stdout).not.toContain('bad.jsonl');
    expect(stderr).toContain(`${file}:2: The custom_id "a" was used before.`);
    expect(stderr).toContain(`${file}:3: This line is not JSON`);
  });

  test('is told that a file has nothing in it', async () => {
    const file = await fileOf('empty.jsonl', ['', ' ']);
    const { stderr, exitCode } = await llmBridge('ask', '--batch', file);
    expect([exitCode, stderr]).toEqual([
      2,
      `error: ${file} has no request in it\ntry: see docs/batches.md for its form\n`,
    ]);
  });

  test.each([
    [['ask', '--batch', 'none.jsonl'], /cannot read none.jsonl \(ENOENT\)/],
    [['ask', '--batch', 'none.jsonl', 'and', 'more'], /a question does not go with --batch/],
    [['ask', '--batch', 'none.jsonl', '--model', 'm'], /--model does not go with --batch/],
    [['batch', 'show', 'batch_0'], /no batch on this bridge begins with/],
  ])('ends with an error: %j', async (args, words) => {
    const { exitCode, stderr } = await llmBridge(...args);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(words);
    expect(stderr).toMatch(/^try: /m);
  });
});

test('the page of batches names what there is', async () => {
  const page = await readFile(new URL('../../../docs/batches.md', import.meta.url), 'utf8');
  const example = /```json\n(.*)\n```/.exec(page)?.[1] ?? '';
  const { exitCode } = await llmBridge('ask', '--batch', await fileOf('example.jsonl', [example]));
  expect(exitCode).toBe(0);
});
