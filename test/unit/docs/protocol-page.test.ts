import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  ANSWER_ERROR_CODES,
  answerErrorSchema,
  answerSchema,
  usageSchema,
} from '../../../src/protocol/answer.js';
import { cancelSchema, MAX_CANCEL_BYTES, MAX_REASON_CHARS } from '../../../src/protocol/cancel.js';
import { claimSchema, MAX_CLAIM_BYTES, MAX_CLAIM_LEASE_MS } from '../../../src/protocol/claim.js';
import { helloSchema } from '../../../src/protocol/hello.js';
import {
  DEFAULT_CONTEXT_TOKENS,
  DEFAULT_MAX_ANSWER_BYTES,
  DEFAULT_MAX_TASK_BYTES,
  MAX_CLOCK_AHEAD_MS,
  MAX_CLOCK_BEHIND_MS,
  MAX_COMMIT_BYTES,
  MAX_COMMITS_PER_PUSH,
  MAX_CONVERSATION_TASKS,
  MAX_JSON_DEPTH,
  MAX_TASK_TEXT_CHARS,
} from '../../../src/protocol/limits.js';
import { logRecordSchema } from '../../../src/protocol/log-record.js';
import {
  agentModelsSchema,
  MAX_ABILITIES,
  MAX_MODELS,
  MAX_MODELS_BYTES,
} from '../../../src/protocol/models.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/names.js';
import {
  MAX_PRESENCE_BUSY,
  MAX_PRESENCE_BYTES,
  MAX_PRESENCE_LOADED,
  MAX_PRESENCE_MODELS,
  PRESENCE_EVERY_MS,
  PRESENCE_FRESH_MS,
  presenceSchema,
} from '../../../src/protocol/presence.js';
import { REFUSAL_CODES } from '../../../src/protocol/refusal.js';
import { taskJsonSchema, taskOptionsSchema } from '../../../src/protocol/task.js';
import { MAX_REFS_PER_PUSH } from '../../../src/rules/pushed-refs.js';
import { firstCells, readCodeBlocks, sectionOf } from '../../support/read-markdown.js';

// docs/protocol.md is what others implement, so what it lists has to be what the program has: no more, no
// less.

const docs = new URL('../../../docs/', import.meta.url);
const page = await readFile(new URL('protocol.md', docs), 'utf8');

const code = (name: string) => `\`${name}\``;
const rowsOf = (heading: string) => firstCells(sectionOf(page, heading)).sort();
const named = (...lists: readonly (readonly string[])[]) => lists.flat().map(code).sort();

test('every field and option of task.json has its row, and nothing else has', () => {
  expect(rowsOf('task.json')).toEqual(
    named(Object.keys(taskJsonSchema.shape), Object.keys(taskOptionsSchema.shape)),
  );
});

test('every field of inbox.json and every error code has its row, and nothing else has', () => {
  expect(rowsOf('inbox.json')).toEqual(named(Object.keys(answerSchema.shape), ANSWER_ERROR_CODES));
  const section = sectionOf(page, 'inbox.json');
  for (const field of [...Object.keys(usageSchema.shape), ...Object.keys(answerErrorSchema.shape)])
    expect(section).toContain(field);
});

test('every error code has its remedy on the page for troubles', async () => {
  const troubles = await readFile(new URL('troubleshooting.md', docs), 'utf8');
  expect(firstCells(sectionOf(troubles, 'Answers that are errors')).sort()).toEqual(
    named(ANSWER_ERROR_CODES),
  );
});

test('every field that answers.log adds has its row', () => {
  const own = Object.keys(logRecordSchema.shape).filter((key) => !(key in answerSchema.shape));
  expect(rowsOf('answers.log')).toEqual(named(own));
});

test('every field of the hello has its row, and the example is one', () => {
  expect(rowsOf('bridge-hello')).toEqual(named(Object.keys(helloSchema.shape)));
  const example = readCodeBlocks(page).find((block) => block.info === 'hello')?.text ?? '';
  expect(helloSchema.strict().parse(JSON.parse(example))).toMatchObject({ protocol: PROTOCOL_VERSION });
});

test('every field of cancel.json has its row', () => {
  expect(rowsOf('cancel.json')).toEqual(named(Object.keys(cancelSchema.shape)));
});

test('every field of a claim, of a presence and of models has its row, in the order it is written in', () => {
  expect(firstCells(sectionOf(page, 'Claims'))).toEqual(Object.keys(claimSchema.shape).map(code));
  expect(firstCells(sectionOf(page, 'Presence'))).toEqual(Object.keys(presenceSchema.shape).map(code));
  expect(firstCells(sectionOf(page, 'Models'))).toEqual(Object.keys(agentModelsSchema.shape).map(code));
});

test('every code of a refusal has its row', () => {
  expect(rowsOf('Refusals')).toEqual(named(REFUSAL_CODES));
});

test('the codes that the rules speak are codes of refusals', () => {
  const section = sectionOf(page, 'What pre-receive judges');
  const last = section
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'))
    .map((line) => line.split('|').at(-2) ?? '');
  const spoken = new Set(last.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map((match) => match[1])));
  expect([...spoken].sort()).toEqual([...REFUSAL_CODES].sort());
});

test('the numbers are those of the program', () => {
  const minutes = (ms: number) => `${ms / 60_000} minutes`;
  const said: readonly (readonly [heading: string, text: string])[] = [
    ['The protocol, version 2', `version ${PROTOCOL_VERSION}`],
    ['Messages', `${MAX_JSON_DEPTH} levels`],
    ['task.txt', `\`bridge.maxTaskBytes\` (${DEFAULT_MAX_TASK_BYTES})`],
    ['inbox.json', `\`bridge.maxAnswerBytes\` (${DEFAULT_MAX_ANSWER_BYTES})`],
    ['inbox.json', `string up to ${MAX_TASK_TEXT_CHARS}`],
    ['cancel.json', `At most ${MAX_CANCEL_BYTES} bytes`],
    ['cancel.json', `string, 1 to ${MAX_REASON_CHARS}`],
    ['Commits', `At most ${MAX_COMMIT_BYTES} bytes`],
    ['Commits', `${minutes(MAX_CLOCK_AHEAD_MS)} ahead`],
    ['Commits', `${minutes(MAX_CLOCK_BEHIND_MS)} behind`],
    ['The queue', `at most ${minutes(MAX_CLOCK_AHEAD_MS + MAX_CLOCK_BEHIND_MS)}`],
    ['Claims', `at most ${MAX_CLAIM_BYTES} bytes`],
    ['Claims', `${minutes(MAX_CLAIM_LEASE_MS)} at most`],
    ['Presence', `at most ${MAX_PRESENCE_BYTES} bytes`],
    ['Presence', `every ${minutes(PRESENCE_EVERY_MS)}`],
    ['Presence', `not seen for ${minutes(PRESENCE_FRESH_MS)}`],
    ['Presence', `at most ${MAX_PRESENCE_MODELS}`],
    ['Presence', `at most ${MAX_PRESENCE_BUSY}`],
    ['Presence', `at most ${MAX_PRESENCE_LOADED}`],
    ['Models', `at most ${MAX_MODELS_BYTES} bytes`],
    ['Models', `at most ${MAX_MODELS} objects`],
    ['Models', `at most ${MAX_ABILITIES} words`],
    ['Conversations', `at most ${MAX_CONVERSATION_TASKS} of them`],
    ['Conversations', `${DEFAULT_CONTEXT_TOKENS} tokens`],
    ['What pre-receive judges', `at most ${MAX_REFS_PER_PUSH} refs`],
    ['What pre-receive judges', `at most ${MAX_COMMITS_PER_PUSH} commits`],
  ];
  for (const [heading, text] of said) {
    const section = page.startsWith(`# ${heading}`) ? page : sectionOf(page, heading);
    expect(section.replace(/\s+/g, ' '), heading).toContain(text);
  }
});

test('every file of vectors is named', async () => {
  const section = sectionOf(page, 'Test vectors');
  for (const file of await readdir(new URL('vectors/', docs)))
    expect(section).toContain(`[${file}](vectors/${file})`);
});
