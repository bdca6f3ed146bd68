import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openAssembler } from '../../../../../src/agent/requests/assemble/open-assembler.js';
import type { RequestPath } from '../../../../../src/protocol/request.js';
import { comparableBody, eventsIn, saidOf } from '../../../../support/api-body.js';

// What real servers sent, streamed and not, to the same call (gemma-3-270m, temperature 0), as it came;
// `tools`
// are calls of a tool (test/real/tool-calls.ts):
// Ollama, later than 0.32.7, and llama.cpp's server, both of August 2026. test/real asks them again.

const FOLDER = fileURLToPath(new URL('./recorded/', import.meta.url));
const read = (file: string) => readFileSync(`${FOLDER}${file}`, 'utf8');

const PATHS: Readonly<Record<string, RequestPath>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
  'api-chat': '/api/chat',
  'api-generate': '/api/generate',
};
const STREAMS = readdirSync(FOLDER).filter((file) => /\.(?:sse|ndjson)$/.test(file));

test.each(STREAMS)('%s becomes the body that the server gave without a stream', (file) => {
  const [server = '', call = ''] = file.split('.');
  const path = PATHS[call.replace(/-(?:n|lp|tools)$/, '')] ?? '/v1/embeddings';
  const assembler = openAssembler(path);
  const events = eventsIn(read(file));
  expect(events.length).toBeGreaterThan(1);
  assembler.take(events[0] ?? '');
  expect(assembler.isComplete()).toBe(false);
  for (const event of events.slice(1)) assembler.take(event);
  expect(assembler.isComplete()).toBe(true);
  const whole = JSON.parse(read(`${server}.${call}.body`)) as Record<string, unknown>;
  expect(comparableBody(assembler.body())).toEqual(comparableBody(whole));
  const unstreamed = openAssembler(path);
  unstreamed.read(whole);
  expect(saidOf(assembler)).toEqual(saidOf(unstreamed));
});
