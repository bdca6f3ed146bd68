import { expect, test } from 'vitest';
import { NewestAnswers } from '../../../src/gateway/newest-answers.js';
import { chat, startCalls } from './calls-fixture.js';

test('the newest answers are read once, then what is new, and again where main was set back', async () => {
  const fixture = await startCalls();
  const { calls, bridge } = fixture;
  const ask = (question: string) => calls.post(chat(question));
  const newest = new NewestAnswers(calls.view);
  const said = async () => (await newest.whole()).map(({ answer }) => answer);
  expect(await said()).toEqual([]);
  await fixture.answer(await ask('1'), { answer: 'one' });
  const early = await fixture.answer(await ask('2'), { answer: 'two' });
  expect(await said()).toEqual(['one', 'two']);
  await fixture.answer(await ask('3'), { answer: 'three' });
  expect(await Promise.all([said(), said()])).toEqual([
    ['one', 'two', 'three'],
    ['one', 'two', 'three'],
  ]);
  expect(await newest.counted()).toMatchObject([{ error: null }, { agent: 'home-pc' }, { asker: 'bot' }]);
  expect(JSON.stringify(await newest.counted())).not.toContain('three');

  await bridge.git(['update-ref', 'refs/heads/main', early]);
  expect(await said()).toEqual(['one', 'two']);
});
