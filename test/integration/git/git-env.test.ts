import { expect, test } from 'vitest';
import { clientGitEnv, hookGitEnv } from '../../../src/git/git-env.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { gitText } from '../../../src/git/run-git.js';
import { bareBridge } from '../../support/bare-bridge.js';

test.each([
  ['clients', clientGitEnv],
  ['hooks', hookGitEnv],
] as const)(
  'an object is what its id says, whatever stands under refs/replace, for %s',
  async (_who, envOf) => {
    const bridge = await bareBridge();
    const mine = await bridge.git(['hash-object', '-w', '--stdin'], 'mine');
    const other = await bridge.git(['hash-object', '-w', '--stdin'], 'another');
    await bridge.git(['replace', mine, other]);
    // The test can fail: plain git is taken in.
    expect(await bridge.git(['cat-file', 'blob', mine])).toBe('another');
    const repo = { gitDir: bridge.gitDir, env: envOf(bridge.env) };
    expect(await gitText(repo, ['cat-file', 'blob', mine])).toBe('mine');
    const reader = openObjectReader(repo);
    expect((await reader.read(mine))?.content.toString()).toBe('mine');
    reader.close();
  },
);
