import { fileURLToPath } from 'node:url';

/** The command under test, and the words before its arguments. */
export function programUnderTest(): readonly [string, ...string[]] {
  const other = process.env.LLM_BRIDGE_TEST_BIN;
  const file = other ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  return /\.[cm]?js$/.test(file) ? [process.execPath, file] : [file];
}
