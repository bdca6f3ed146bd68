import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useMemoryForTemp } from './memory-temp.js';

/**
 * Removes every variable with these prefixes, except those that name the program under test, and
 * the real model servers of `test/real`.
 * NODE_EXTRA_CA_CERTS makes each start of node three times as dear.
 */
const FOREIGN =
  /^(?:GIT_|SSH_|LLM_BRIDGE_(?!TEST_BIN$|REAL_)|XDG_|OLLAMA_|OPENAI_|LM_API_TOKEN$|CI$|NODE_EXTRA_CA_CERTS$|NO_COLOR$|FORCE_COLOR$|(?:HTTPS?|ALL|NO)_PROXY$)/i;

/**
 * vitest global setup: the workers inherit an environment without the settings of whoever runs the tests,
 * and with a home folder of their own. So nothing under test can read or write the real one. Their temporary
 * files are in memory where that can be.
 */
export function setup(): () => void {
  for (const name of Object.keys(process.env)) {
    if (FOREIGN.test(name)) delete process.env[name];
  }
  const removeTemp = useMemoryForTemp();
  const home = mkdtempSync(join(tmpdir(), 'llm-bridge-test-home-'));
  Object.assign(process.env, {
    HOME: home,
    USERPROFILE: home,
    TZ: 'UTC',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
  });
  return () => {
    rmSync(home, { recursive: true, force: true });
    removeTemp();
  };
}
