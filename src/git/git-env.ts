/** Variables of a surrounding git (a hook, an alias, a rebase) that would turn our git to another repository. */
const REPOSITORY_VARIABLES = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_QUARANTINE_PATH',
  'GIT_COMMON_DIR',
  'GIT_NAMESPACE',
  'GIT_CEILING_DIRECTORIES',
  'GIT_PREFIX',
  'GIT_SHALLOW_FILE',
  'GIT_GRAFT_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
];

/** Programs git may start that plumbing never needs; simple-git refuses to run beside them. */
const PROGRAM_VARIABLES = [
  'EDITOR',
  'VISUAL',
  'PAGER',
  'PREFIX',
  'GIT_EDITOR',
  'GIT_PAGER',
  'GIT_SEQUENCE_EDITOR',
  'GIT_EXTERNAL_DIFF',
  'GIT_TEMPLATE_DIR',
];

/**
 * The environment for git outside of hooks: the caller's own (so ssh settings and proxies apply), English messages (they
 * are matched), no prompts ever (nobody is there to answer), and nothing of a surrounding repository.
 */
export function clientGitEnv(base: NodeJS.ProcessEnv, sshCommand?: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...base };
  for (const name of [...REPOSITORY_VARIABLES, ...PROGRAM_VARIABLES]) delete env[name];
  return {
    ...env,
    ...STABLE_OUTPUT,
    GIT_ASKPASS: '',
    SSH_ASKPASS_REQUIRE: 'never',
    ...(sshCommand === undefined ? {} : { GIT_SSH_COMMAND: sshCommand }),
  };
}

/** The environment for git inside a hook: as git gave it (the quarantine is in there), with English messages. */
export function hookGitEnv(base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...base, ...STABLE_OUTPUT };
}

/** And every object is what its id says: what stands under refs/replace would be read in its place, by git alone and by no other reader. */
const STABLE_OUTPUT = { LC_ALL: 'C', LANGUAGE: '', GIT_TERMINAL_PROMPT: '0', GIT_NO_REPLACE_OBJECTS: '1' };
