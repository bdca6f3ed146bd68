import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wholeEvents } from '../../../../src/agent/backends/whole-events.js';

const MAX_EVENT = 64;

/** What comes out of a body that came in these pieces, piece by piece. */
async function eventsOf(chunks: Iterable<Uint8Array>): Promise<string[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const events: string[] = [];
  for await (const event of wholeEvents(new Response(body), MAX_EVENT).body ?? [])
    events.push(Buffer.from(event).toString());
  return events;
}

test('a body comes event by event, and nothing of it is changed, however the packets are cut', async () => {
  const event = fc.constantFrom(
    'data: a\n\n',
    'data: ж\r\n\r\n',
    ': ping\n\n',
    'event: x\ndata: 1\ndata: 2\n\n',
    '\n',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event), fc.array(fc.nat(400)), async (events, cuts) => {
      const bytes = Buffer.from(events.join(''));
      const places = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      expect(await eventsOf(chunks)).toEqual(events);
    }),
  );
});

test.each(['data: {"a": 1}', 'data: [DONE]', 'data: {"a":\ndata: 1}\n', 'data:1\r\n'])(
  'an event that lacks nothing but its end comes as it is: %j',
  async (event) => {
    expect(await eventsOf([Buffer.from(`data: 0\n\n${event}`)])).toEqual(['data: 0\n\n', event]);
  },
);

test.each(['data: {"a": "ж', 'data: {"a": 1}\ndata: {"a', 'dat', 'data: [DO'])(
  'an event that the end of the body cuts off is none: %j',
  async (event) => {
    expect(await eventsOf([Buffer.from(`data: 0\n\n${event}`)])).toEqual(['data: 0\n\n']);
  },
);

test.each([
  ['one line', Buffer.from(`data: ${'x'.repeat(MAX_EVENT)}`), 'in one line'],
  ['several lines', Buffer.from('data: x\n'.repeat(MAX_EVENT)), 'in one event'],
])('an event of more bytes than the limit fails, in %s', async (_what, bytes, where) => {
  await expect(eventsOf([bytes])).rejects.toThrow(`sent more than ${MAX_EVENT} bytes ${where}`);
  await expect(eventsOf([...bytes].map((byte) => Uint8Array.of(byte)))).rejects.toThrow(where);
});
