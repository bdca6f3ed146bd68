import { expect, test } from 'vitest';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { dataIn } from '../../../src/gateway/polish.js';
import { ResponsePlaces } from '../../../src/gateway/response-places.js';
import { onCleanup } from '../../support/on-cleanup.js';

const TOOL = { type: 'function', name: 'add', parameters: { type: 'object' } };

/** The events of a response by this server of the stand-in. */
async function eventsOf(server: 'openaiUrl' | 'lmstudioUrl', behaviour = {}): Promise<string[]> {
  const standIn = await startStandIn({ behave: () => behaviour });
  onCleanup(() => standIn.close());
  const model = { openaiUrl: 'any', lmstudioUrl: 'llama-3.2-3b-instruct' }[server];
  const body = JSON.stringify({ model, input: 'What is 2+2?', stream: true, tools: [TOOL] });
  const text = await (await fetch(`${standIn[server]}/responses`, { method: 'POST', body })).text();
  return text.split('\n\n').filter((event) => event !== '');
}

function filled(events: readonly string[]): Record<string, unknown>[] {
  const places = new ResponsePlaces();
  return events.map((event) => dataIn(places.fillEvent(event)) as Record<string, unknown>);
}

test('the events of llama.cpp get their numbers, their places, and the output of a response that begins', async () => {
  const events = await eventsOf('openaiUrl', {
    ...{ thinking: 'hm hm', answer: 'one two', toolCalls: [{ name: 'add', arguments: { a: 2 } }] },
  });
  expect(events.join('')).not.toMatch(/"(?:sequence_number|output_index|content_index)"/);
  const said = filled(events);
  expect(said.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
  expect(said[0]).toMatchObject({ type: 'response.created', response: { output: [] } });
  const added = said.filter(({ type }) => type === 'response.output_item.added');
  expect(added.map(({ output_index }) => output_index)).toEqual([0, 1, 2]);
  const at = (name: string) =>
    said
      .filter(({ type }) => type === `response.${name}`)
      .map(({ output_index, content_index }) => [output_index, content_index]);
  expect(at('reasoning_text.delta')[0]).toEqual([0, 0]);
  expect(new Set(at('output_text.delta').map(String))).toEqual(new Set(['1,0']));
  expect(at('content_part.done')).toEqual([[1, 0]]);
  expect(at('function_call_arguments.delta')[0]).toEqual([2, undefined]);
  expect(at('output_item.done')).toEqual([0, 1, 2].map((place) => [place, undefined]));
  const last = dataIn(events.at(-1) ?? '') as object;
  expect(said.at(-1)).toEqual({ ...last, sequence_number: events.length - 1 });
});

test('the events of a server that has all of it stay to the byte', async () => {
  const events = await eventsOf('lmstudioUrl', { answer: 'one two' });
  const places = new ResponsePlaces();
  expect(events.map((event) => places.fillEvent(event))).toEqual(events);
});

test('what is no event of a response stays to the byte', () => {
  const places = new ResponsePlaces();
  for (const event of [': a comment', 'data: [DONE]', 'data: {"type":3}', 'data: [1]'])
    expect(places.fillEvent(event)).toBe(event);
});

test('a second part of an item has the second place', () => {
  const places = new ResponsePlaces();
  const type = 'response.content_part.added';
  const parts = [1, 2].map(() => places.fill({ type, item_id: 'msg_1' }));
  expect(parts).toMatchObject([
    { output_index: 0, content_index: 0 },
    { output_index: 0, content_index: 1 },
  ]);
});
