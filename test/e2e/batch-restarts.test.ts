import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { expect, test } from 'vitest';
import { freePort } from '../../src/demo/free-port.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { startAgent } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { startCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { IS_FULL_LENGTH } from '../support/test-length.js';
import { waitUntil } from '../support/wait-until.js';

/** Requests of the batch; among the slow tests as many as a night has. */
const COUNT = IS_FULL_LENGTH ? 10_000 : 60;
const PATIENCE_MS = IS_FULL_LENGTH ? 800_000 : 120_000;

test(`a batch of ${COUNT} outlives gateway, server and agent: none is lost, none is doubled`, async () => {
  const bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  standIn.behave = (request) => ({ answer: `to ${JSON.stringify(request).match(/number \d+/)?.[0]}` });
  const listen = `127.0.0.1:${await freePort()}`;
  const serve = async () => {
    const gateway = await startCli(['serve', '--repo', bridge.sshUrl, '--listen', listen], {
      env: bridge.principal('bot').env,
    });
    await gateway.waitFor('stderr', /listening on/);
    return gateway;
  };
  const gateway = await serve();
  // Whatever fails while something is away is asked again by the client itself.
  const client = new OpenAI({ baseURL: `http://${listen}/v1`, apiKey: 'any', maxRetries: 10 });
  const lines = Array.from({ length: COUNT }, (_, at) => {
    const body = { model: 'llama3.2', messages: [{ role: 'user', content: `number ${at}` }] };
    return JSON.stringify({ custom_id: `c${at}`, method: 'POST', url: '/v1/chat/completions', body });
  });
  const file = await client.files.create({
    file: await toFile(Buffer.from(lines.join('\n')), 'night.jsonl'),
    purpose: 'batch',
  });
  const { id } = await client.batches.create({
    ...{ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' },
  });
  // Killed while it looks through the file, or takes it in.
  gateway.signal('SIGKILL');
  await gateway.exited;
  // Cheap looks: to read all of such a history again and again would take the machine from those it waits
  // for.
  const inBridge = { gitDir: bridge.repoPath, env: bridge.ownerEnv };
  const commits = async () => Number(await gitOk(['rev-list', '--count', 'main'], inBridge));
  const answered = async () =>
    (await readFile(join(bridge.repoPath, 'bridge', 'answers.log'), 'latin1')).split('\n').length - 1;
  const again = await serve();
  await waitUntil(async () => (await commits()) >= COUNT, 'nearly all are asked', PATIENCE_MS);
  const isAsked = (subjects: readonly string[]) =>
    subjects.filter((subject) => subject.startsWith('ask: number')).length >= COUNT;
  await waitUntil(async () => isAsked(await bridge.gitLog()), 'all are asked', PATIENCE_MS);

  const agentOptions = { state: 'first', args: ['--parallel', '8'] };
  const agent = await startAgent(bridge, standIn, agentOptions);
  await waitUntil(async () => (await answered()) >= COUNT / 6, 'some are answered', PATIENCE_MS);
  agent.signal('SIGKILL');
  await agent.exited;
  await startAgent(bridge, standIn, agentOptions);
  await waitUntil(async () => (await answered()) >= COUNT / 3, 'more are answered', PATIENCE_MS);
  await bridge.sshd.stop();
  await bridge.restartSshd();
  again.signal('SIGTERM');
  await again.exited;
  await serve();

  await waitUntil(async () => (await answered()) >= COUNT, 'all are answered', PATIENCE_MS);
  await waitUntil(
    async () => (await client.batches.retrieve(id)).status === 'completed',
    'the batch is done',
    PATIENCE_MS,
  );
  const { output_file_id, request_counts, error_file_id } = await client.batches.retrieve(id);
  expect(request_counts).toEqual({ total: COUNT, completed: COUNT, failed: 0 });
  expect(error_file_id).toBeNull();
  const output = await (await client.files.content(output_file_id ?? '')).text();
  const results = output
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { custom_id, response } = JSON.parse(line) as {
        readonly custom_id: string;
        readonly response: { readonly body: OpenAI.ChatCompletion };
      };
      return [custom_id, response.body.choices[0]?.message.content];
    });
  expect(results).toEqual(lines.map((_, at) => [`c${at}`, `to number ${at}`]));
  const subjects = await bridge.gitLog();
  expect(subjects.filter((subject) => subject.startsWith('ask: number'))).toHaveLength(COUNT);
  expect(subjects.filter((subject) => subject.startsWith('answer'))).toHaveLength(COUNT);
});
