import { expect, test, vi } from 'vitest';
import { say } from '../../../src/cli/chat/chat-commands.js';
import { EXIT, printError, printNote, printWarning } from '../../../src/cli/print-error.js';
import { BridgeError } from '../../../src/protocol/bridge-error.js';

/** What others said: a line break, an escape sequence, C1, bidi, and an address with a password. */
const SAID = 'a\nb\u001b[2Jc\u009b31md\u202ee https://me:s3cret@host/b.git';
const SHOWN = 'a b[2Jc31mde https://…@host/b.git';

/** What is written to standard error meanwhile. */
function written(print: () => unknown): string {
  const texts: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => texts.push(String(text)) > 0);
  print();
  vi.restoreAllMocks();
  return texts.join('');
}

test('an error and a warning are two lines, without control characters and passwords, whatever is in them', () => {
  let code: unknown;
  const error = new BridgeError(SAID, { code: 'git-failed', remedy: SAID });
  const said = written(() => {
    code = printError(error);
  });
  expect(said).toBe(`error: ${SHOWN}\ntry: ${SHOWN}\n`);
  expect(code).toBe(EXIT.failed);
  expect(written(() => printWarning(SAID, SAID))).toBe(`warning: ${SHOWN}\ntry: ${SHOWN}\n`);
});

test('so is what is said beside the output, and beside a conversation', () => {
  expect(written(() => printNote(SAID))).toBe(`${SHOWN}\n`);
  expect(written(() => say(SAID))).toBe(`${SHOWN.replace(' ', '\n')}\n`);
});

test('a fault of ours is told so too, and the place that it came from without a password', () => {
  vi.stubEnv('LLM_BRIDGE_DEBUG', '1');
  const said = written(() => printError(new Error(SAID)));
  expect(said.startsWith(`error: unexpected: ${SHOWN}\ntry: set LLM_BRIDGE_DEBUG=1`)).toBe(true);
  expect(said).toContain('print-error.test.ts');
  expect(said).not.toContain('s3cret');
});
