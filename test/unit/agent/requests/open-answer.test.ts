import { expect, test } from 'vitest';
import { purposeOf } from '../../../../src/agent/backends/call-prompt.js';
import { OpenAnswer } from '../../../../src/agent/requests/open-answer.js';
import { REQUEST_PATHS } from '../../../../src/protocol/request.js';
import { settingsFor, standInFor } from '../generate-fixture.js';
import { pass } from './pass-on.js';

const STREAMED = REQUEST_PATHS.filter((path) => purposeOf(path) === 'chat');
const messages = [{ role: 'user', content: 'hi' }];
const BODIES: Readonly<Record<string, Record<string, unknown>>> = {
  '/v1/completions': { prompt: 'hi' },
  '/api/generate': { prompt: 'hi' },
  '/v1/responses': { input: 'hi' },
  '/v1/messages': { messages, max_tokens: 100_000 },
};

test.each(STREAMED)(
  '%s: an answer without end is stopped, and ends as one that came to its limit',
  async (path) => {
    const standIn = await standInFor();
    standIn.behave = () => ({ answer: 'so ', endless: { kind: 'answer', text: 'and on '.repeat(10) } });
    const order = path.startsWith('/api/') ? (['ollama'] as const) : (['lmstudio'] as const);
    const settings = settingsFor(standIn, { order });
    const { outcome, events } = await pass({ path, body: BODIES[path] ?? { messages } }, settings);
    expect(outcome).toMatchObject({ error: null, finish_reason: 'repetition', response: { status: 200 } });
    expect(outcome.answer).toMatch(/^so and on and on /);
    const said = JSON.stringify(outcome.response?.body);
    expect(said).toContain('and on and on');
    expect(said).toMatch(/"(?:finish_reason|done_reason)":"length"|"max_tokens"|"status":"incomplete"/);
    expect(events.slice(-3).join('\n')).toMatch(/length|max_tokens|response\.incomplete/);
  },
);

test.each(['/v1/chat/completions', '/v1/completions'] as const)(
  '%s: each of several choices is ended, and one that has ended already is not ended again',
  async (path) => {
    const standIn = await standInFor();
    standIn.behave = () => ({ answer: 'so ', endless: { kind: 'answer', text: 'and on '.repeat(10) } });
    const body = { ...(BODIES[path] ?? { messages }), n: 3 };
    const { outcome, events } = await pass({ path, body }, settingsFor(standIn, { order: ['openai'] }));
    expect(outcome).toMatchObject({ error: null, finish_reason: 'repetition', response: { status: 200 } });
    const ends = [0, 1, 2].map((index) => ({ index, finish_reason: 'length' }));
    expect(outcome.response?.body).toMatchObject({ choices: ends });
    expect(events.join('\n').match(/"finish_reason":"length"/g)).toHaveLength(3);

    const open = new OpenAnswer();
    const chunk = (index: number, finish_reason: string | null) => ({ choices: [{ index, finish_reason }] });
    for (const one of [chunk(0, null), chunk(1, null), chunk(0, 'stop'), { choices: [] }]) open.take(one);
    expect(open.close(path, '').map((event) => event.match(/"index":\d/)?.[0] ?? event)).toEqual([
      ...['"index":1', 'data: [DONE]'],
    ]);
  },
);
