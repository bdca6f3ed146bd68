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

test.each([
  ...['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_OBJECT_DIRECTORY', 'GIT_COMMON_DIR', 'GIT_PREFIX'],
  ...['GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_QUARANTINE_PATH', 'GIT_NAMESPACE', 'GIT_CEILING_DIRECTORIES'],
  ...['GIT_SHALLOW_FILE', 'GIT_GRAFT_FILE', 'GIT_INTERNAL_SUPER_PREFIX', 'GIT_AUTHOR_DATE', 'GIT_CONFIG'],
  ...['GIT_COMMITTER_DATE', 'GIT_ATTR_SOURCE', 'GIT_DIFF_OPTS', 'GIT_REFLOG_ACTION', 'GIT_TEMPLATE_DIR'],
  ...['GIT_GLOB_PATHSPECS', 'GIT_ICASE_PATHSPECS', 'GIT_LITERAL_PATHSPECS', 'GIT_NOGLOB_PATHSPECS'],
  ...['EDITOR', 'VISUAL', 'PAGER', 'PREFIX', 'GIT_EDITOR', 'GIT_PAGER', 'GIT_SEQUENCE_EDITOR'],
  'GIT_EXTERNAL_DIFF',
])('%s of a surrounding git, or of the user, does not reach our git', (name) => {
  expect(clientGitEnv({ HOME: '/', [name]: 'x' })).not.toHaveProperty(name);
});

test('git works on the repository that is meant, at its own time, whatever its caller works on', async () => {
  const bridge = await bareBridge();
  const other = await bareBridge();
  const surrounding = { GIT_DIR: other.gitDir, GIT_OBJECT_DIRECTORY: `${other.gitDir}/objects` };
  const dated = { GIT_AUTHOR_DATE: '@1 +0000', GIT_COMMITTER_DATE: '@1 +0000' };
  const theirs = { ...bridge.env, ...surrounding, ...dated, GIT_QUARANTINE_PATH: other.gitDir };
  const who = {
    GIT_AUTHOR_NAME: 'x',
    GIT_AUTHOR_EMAIL: 'x',
    GIT_COMMITTER_NAME: 'x',
    GIT_COMMITTER_EMAIL: 'x',
  };
  const repo = { gitDir: bridge.gitDir, env: { ...clientGitEnv(theirs), ...who } };
  const commit = (await gitText(repo, ['commit-tree', 'main^{tree}', '-p', 'main', '-m', 'x'])).trim();
  await gitText(repo, ['update-ref', 'refs/heads/main', commit]);
  expect(Number(await bridge.git(['log', '-1', '--format=%at', 'main']))).toBeGreaterThan(1_000_000_000);
});
