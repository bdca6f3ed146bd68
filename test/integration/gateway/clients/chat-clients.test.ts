import OpenAI from 'openai';
import { beforeAll, describe, expect, test } from 'vitest';
import { type GatewayFixture, startGatewayFixture } from '../../../support/gateway-fixture.js';

let fixture: GatewayFixture;
let client: OpenAI;
beforeAll(async () => {
  fixture = await startGatewayFixture({ gateway: { aliases: new Map([['gpt-4o', 'llama3.2']]) } });
  client = new OpenAI({ baseURL: `${fixture.url}/v1`, apiKey: 'any', maxRetries: 0 });
});

const QUESTION = [{ role: 'user' as const, content: '2+2' }];

describe('openai', () => {
  test('chats', async () => {
    const { data, response } = await client.chat.completions
      .create({ model: 'gpt-4o', messages: QUESTION })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe('4');
    expect(response.headers.get('x-llm-bridge-task')).toMatch(/^[0-9a-f]{40}$/);
  });

  test('streams', async () => {
    const stream = client.chat.completions.stream({ model: 'llama3.2', messages: QUESTION });
    expect((await stream.finalMessage()).content).toBe('4');
  });

  test('lists models', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toContain('gpt-4o');
    expect((await client.models.retrieve('llama3.2')).id).toBe('llama3.2:latest');
  });
});
