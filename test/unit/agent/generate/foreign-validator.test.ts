import { expect, test, vi } from 'vitest';
import { answerTo, BACKENDS, settingsFor, standInFor } from '../generate-fixture.js';

/** As the validator of a version that was installed under a running agent: it has a class of its own for what went wrong. */
vi.mock('../../../../src/agent/generate/json-format.js', () => ({
  compileFormat: () => {
    throw Object.assign(new Error('no such type'), { name: 'BackendError', code: 'invalid_schema' });
  },
}));

test.each(BACKENDS)(
  'what a validator of another version says is told by its code, for %s',
  async (backend) => {
    const standIn = await standInFor();
    const outcome = await answerTo(
      { prompt: '2+2', backend, format: { type: 'nope' } },
      settingsFor(standIn),
    );
    expect(outcome.error).toEqual({ code: 'invalid_schema', message: 'no such type' });
  },
);
