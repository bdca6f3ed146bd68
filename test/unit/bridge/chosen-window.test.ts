import { expect, test } from 'vitest';
import { readReply } from '../../../src/bridge/chosen-window.js';
import { MAX_WINDOW_COMMITS } from '../../../src/bridge/window-reply.js';

const ID = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const LEFT = { pending: 5, expired: 0 };
const head = (commits: number, left: unknown = LEFT) => JSON.stringify({ window: { commits, left } });
const PACK = 'PACK\n\0\n';

test('the reply of a server is the ids of its commits and the bytes of its pack', () => {
  const reply = readReply(Buffer.from(`${head(2)}\n${ID}\n${OTHER}\n${PACK}`));

  expect(reply).toEqual({ ids: [ID, OTHER], left: LEFT, pack: Buffer.from(PACK) });
  expect(readReply(Buffer.from(`Welcome to nas!\n${head(1)}\n${ID}\n${PACK}`))?.ids).toEqual([ID]);
  expect(readReply(Buffer.from(`${head(0)}\n${PACK}`))).toMatchObject({ ids: [], pack: Buffer.from(PACK) });
});

test.each([
  ['nothing was chosen', '{"window":null}\n'],
  ['nothing was said', ''],
  ['it is no line', head(0)],
  ['an id is missing', `${head(2)}\n${ID}\n`],
  ['an id is none', `${head(1)}\n${ID.slice(1)}\n${PACK}`],
  ['it is too many', `${head(MAX_WINDOW_COMMITS + 1)}\n${`${ID}\n`.repeat(MAX_WINDOW_COMMITS + 1)}${PACK}`],
  ['a count is none', `${head(1, { pending: -1, expired: 0 })}\n${ID}\n${PACK}`],
  ['it is no JSON', `{"window":\n${ID}\n${PACK}`],
])('a reply is not gone by where %s', (_what, text) => {
  expect(readReply(Buffer.from(text))).toBeNull();
});
