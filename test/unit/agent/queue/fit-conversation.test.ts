import { expect, test } from 'vitest';
import { fitConversation, type Turn } from '../../../../src/agent/queue/fit-conversation.js';

const turn = (prompt: string, answer: string, more: Partial<Turn['task']> = {}): Turn => ({
  task: { prompt, ...more },
  answer,
});
/** Texts of 40 characters: 10 tokens, and 4 for the message. */
const long = (letter: string) => letter.repeat(40);
const user = (content: string) => ({ role: 'user', content });
const only = (...turns: Turn[]) => ({ turns, isLonger: false });
const more = (...turns: Turn[]) => ({ turns, isLonger: true });
const assistant = (content: string) => ({ role: 'assistant', content });

test('what was said before stands between the system prompt and the question, the oldest first', () => {
  const { task, context } = fitConversation(
    { prompt: 'three', model: 'm', reply_to: 'b'.repeat(40) },
    only(turn('two', '2'), turn('one', '1', { system: 'be short', model: 'other' })),
    null,
  );

  expect(task).toEqual({
    model: 'm',
    reply_to: 'b'.repeat(40),
    system: 'be short',
    messages: [user('one'), assistant('1'), user('two'), assistant('2'), user('three')],
  });
  expect(context).toEqual({ messages: 4, cut: 0 });
});

test('a conversation in one task is said whole, on either side', () => {
  const messages = [user('a'), assistant('b'), user('c')] as never;
  const { task, context } = fitConversation(
    { messages },
    only(turn('', 'd', { prompt: undefined, messages } as never)),
    null,
  );

  expect(task.messages).toEqual([...messages, assistant('d'), ...messages]);
  expect(context).toEqual({ messages: 4, cut: 0 });
});

test("the system prompt is the task's own, else that of the newest turn that has one", () => {
  const turns = [turn('3', '3'), turn('2', '2', { system: 'newer' }), turn('1', '1', { system: 'older' })];

  expect(fitConversation({ prompt: 'q' }, only(...turns), null).task.system).toBe('newer');
  expect(fitConversation({ prompt: 'q', system: 'own' }, only(...turns), null).task.system).toBe('own');
});

test('whole turns are cut, the oldest first, to the last token, and the system prompt of a cut one stays', () => {
  const turns = [turn(long('c'), long('d')), turn(long('a'), long('b'), { system: long('s') })];
  // 14 for the system prompt, 14 for the question, 28 for each turn, 10 for the answer.
  const within = (numCtx: number) => {
    const options = { num_ctx: numCtx, max_tokens: 10 };
    return fitConversation({ prompt: long('q'), options }, only(...turns), null);
  };

  expect(within(94).context).toEqual({ messages: 4, cut: 0 });
  expect(within(93).context).toEqual({ messages: 2, cut: 2 });
  expect(within(93).task).toMatchObject({
    system: long('s'),
    messages: [user(long('c')), assistant(long('d')), user(long('q'))],
  });
  expect(within(66).context).toEqual({ messages: 2, cut: 2 });
  expect(within(65).context).toEqual({ messages: 0, cut: 4 });
  expect(within(1).task.messages).toEqual([user(long('q'))]);
});

test('an older turn that would fit does not go along without the newer one', () => {
  const turns = [turn('x'.repeat(4000), 'y'), turn('a', 'b')];
  const { context } = fitConversation({ prompt: 'q', options: { num_ctx: 1000 } }, only(...turns), null);

  expect(context).toEqual({ messages: 0, cut: 4 });
});

test('where nobody says a context it is 4096 tokens, a quarter of them for the answer; what was not looked at counts as one', () => {
  // 3072 are left: 5 for the question, 5 for the answer, 4 for the message.
  const chars = 4 * (4096 - 1024 - 5 - 5 - 4);
  const fits = fitConversation({ prompt: 'q' }, more(turn('x'.repeat(chars), 'y')), null);
  const tooLong = fitConversation({ prompt: 'q' }, more(turn('x'.repeat(chars + 1), 'y')), null);

  expect(fits.context).toEqual({ messages: 2, cut: 1 });
  expect(tooLong.context).toEqual({ messages: 0, cut: 3 });
});

test.each([
  ['the longest that the model gets, where the task says none', undefined, 200, 4, 0],
  ['and no more', undefined, 100, 2, 2],
  ["the task's own where that is less", 100, 200, 2, 2],
  ['the longest where the task says more', 200, 100, 2, 2],
])('the context is %s', (_title, numCtx, longest, messages, cut) => {
  const turns = [turn(long('c'), long('d')), turn(long('a'), long('b'))];
  const options = { max_tokens: 40, ...(numCtx === undefined ? {} : { num_ctx: numCtx }) };
  const { context } = fitConversation({ prompt: long('q'), options }, only(...turns), longest);

  expect(context).toEqual({ messages, cut });
});
