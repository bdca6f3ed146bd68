import { expect, test, vi } from 'vitest';
import { jsonLog, plainLog } from '../../../src/cli/log-lines.js';

/** What others said: C1, DEL, bidi, a line separator, half a character, and an address with a password. */
const SAID = 'a\u009b31mb\u007fc\u202ed\u2028e\ud800 https://me:s3cret@host/b.git';

/** What an agent writes where it logs this. */
function written(log: () => void): string {
  const lines: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  log();
  vi.restoreAllMocks();
  return lines.join('');
}

test('a line of the log in JSON is one line that does nothing to a terminal, with whole characters and no password', () => {
  const line = written(() => jsonLog('warn', SAID, { event: 'answered', model: SAID }));
  expect(line).toMatch(/^[\x20-\x7e…\ufffd]*\n$/);
  const said = 'a\u009b31mb\u007fc\u202ed\u2028e\ufffd https://…@host/b.git';
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', message: said, model: said });
});

test('a line of the log for a person has no control characters and no password', () => {
  const line = written(() => plainLog('warn', SAID));
  expect(line).toMatch(/^\S+Z warn: a31mbcde.? https:\/\/…@host\/b\.git\n$/u);
});
