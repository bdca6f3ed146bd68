/**
 * Variables of a surrounding git (a hook, an alias, a rebase) that would point our git at another
 * repository.
 */
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

/** Variables that would make git date, find, format or read something in another way than we ask for. */
const BEHAVIOUR_VARIABLES = [
  'GIT_AUTHOR_DATE',
  'GIT_COMMITTER_DATE',
  'GIT_ATTR_SOURCE',
  'GIT_CONFIG',
  'GIT_DIFF_OPTS',
  'GIT_GLOB_PATHSPECS',
  'GIT_ICASE_PATHSPECS',
  'GIT_LITERAL_PATHSPECS',
  'GIT_NOGLOB_PATHSPECS',
  'GIT_REFLOG_ACTION',
];

/**
 * Programs git may start that plumbing never needs. simple-git refuses to run while these variables are set.
 */
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
 * The environment for git outside of hooks. It is the caller's own, so ssh settings and proxies apply.
 * Messages are English, because we match them. git never prompts, because nobody is there to answer. Nothing
 * of a surrounding repository remains.
 */
export function clientGitEnv(base: NodeJS.ProcessEnv, sshCommand?: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...base };
  for (const name of [...REPOSITORY_VARIABLES, ...BEHAVIOUR_VARIABLES, ...PROGRAM_VARIABLES])
    delete env[name];
  return {
    ...env,
    ...STABLE_OUTPUT,
    GIT_ASKPASS: '',
    SSH_ASKPASS_REQUIRE: 'never',
    ...(sshCommand === undefined ? {} : { GIT_SSH_COMMAND: sshCommand }),
  };
}

/**
 * The environment for git inside a hook: as git gave it (it names the quarantine), with English messages.
 */
export function hookGitEnv(base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...base, ...STABLE_OUTPUT };
}

/**
 * English messages, no prompts, and no refs/replace: git would read the replacement of an object where our
 * own readers read the object itself.
 */
const STABLE_OUTPUT = { LC_ALL: 'C', LANGUAGE: '', GIT_TERMINAL_PROMPT: '0', GIT_NO_REPLACE_OBJECTS: '1' };
