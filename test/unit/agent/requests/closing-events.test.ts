import { expect, test } from 'vitest';
import { purposeOf } from '../../../../src/agent/backends/call-prompt.js';
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
