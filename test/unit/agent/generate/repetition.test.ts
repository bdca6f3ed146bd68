import { expect, test } from 'vitest';
import type { Behaviour } from '../../../../src/demo/stand-in/stand-in-request.js';
import { inTurn } from '../../../../src/demo/stand-in/stand-in-request.js';
import { answerTo, BACKENDS, chatBodies, settingsFor, standInFor } from '../generate-fixture.js';

test.each(BACKENDS)(
  'a model of %s that repeats itself is stopped, and what it said is kept',
  async (backend) => {
    const behave = () => ({ answer: 'Well:', endless: { kind: 'answer', text: ' I cannot say.' } }) as const;
    const standIn = await standInFor({ behave });
    const arrived = standIn.nextRequest();
    const outcome = await answerTo(
      { prompt: 'why?', model: standIn.models[backend].names[0], backend },
      settingsFor(standIn),
    );
    expect(outcome).toMatchObject({ error: null, finish_reason: 'repetition' });
    expect(outcome.answer).toMatch(/^Well:(?: I cannot say\.){72,80}$/);
    // The model does not go on for nobody.
    expect(await (await arrived).ended).toBe('lost');
  },
);

test.each(BACKENDS)(
  'a model of %s that repeats itself in its thinking has no answer, and its thinking is kept',
  async (backend) => {
    const standIn = await standInFor({
      behave: () => ({ answer: '', endless: { kind: 'thinking', text: 'Wait, no. ' } }),
    });
    const outcome = await answerTo({ prompt: 'why?', backend }, settingsFor(standIn));
    expect(outcome).toMatchObject({
      answer: null,
      finish_reason: 'repetition',
      error: { code: 'empty_answer' },
    });
    expect(outcome.thinking).toMatch(/^(?:Wait, no\. ?){100,110}$/);
  },
);

test.each(BACKENDS)('a JSON of %s with white space behind it for ever is the answer', async (backend) => {
  const standIn = await standInFor({
    behave: () => ({ answer: '{"a": 4}', endless: { kind: 'answer', text: '\n' } }),
  });
  for (const format of ['json', { type: 'object', required: ['a'] }] as const) {
    const outcome = await answerTo({ prompt: '2+2', format, backend }, settingsFor(standIn));
    expect(outcome).toMatchObject({ answer: '{"a": 4}', error: null, finish_reason: 'repetition' });
  }
  expect(chatBodies(standIn)).toHaveLength(2);
});

test('a JSON that is stopped before its end is asked for once more, as one that does not fit', async () => {
  const endless: Behaviour = { answer: '{"a":', endless: { kind: 'answer', text: ' ' } };
  const standIn = await standInFor({ behave: inTurn(endless, { answer: '{"a": 4}' }) });
  const outcome = await answerTo({ prompt: '2+2', format: 'json' }, settingsFor(standIn));
  expect(outcome).toMatchObject({ answer: '{"a": 4}', finish_reason: 'stop' });
  standIn.behave = () => endless;
  const never = await answerTo({ prompt: '2+2', format: 'json' }, settingsFor(standIn));
  expect(never.error?.code).toBe('invalid_format');
});

test.each(BACKENDS)('what %s ends by itself is not called a repetition', async (backend) => {
  const answer = `${'0, '.repeat(300)}0`;
  const standIn = await standInFor({ behave: () => ({ answer, finishReason: 'length' }) });
  const outcome = await answerTo({ prompt: 'zeros', backend }, settingsFor(standIn));
  expect(outcome).toMatchObject({ answer, finish_reason: 'length' });
});
