import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Settings that a person may well have, and that change what git does or reads unless it is told otherwise.
 * None of them is about the way to a server. In the form of a configuration file.
 */
const SETTINGS = `
[core]
  quotePath = true
  abbrev = 4
  commentChar = T
  logAllRefUpdates = always
  bigFileThreshold = 1
  pager = false
  editor = false
  askPass = false
  commitGraph = false
  sharedRepository = group
[i18n]
  logOutputEncoding = ISO-8859-1
  commitEncoding = ISO-8859-1
[color]
  ui = always
  push = always
  remote = always
  transport = always
  advice = always
[log]
  showSignature = true
  showRoot = false
  follow = true
  decorate = full
  date = relative
  abbrevCommit = true
[diff]
  renames = copies
  noprefix = true
  external = false
  orderFile = /nowhere
  relative = true
  ignoreSubmodules = all
  submodule = log
[format]
  pretty = oneline
[trailer]
  separators = "="
  ifexists = replace
[trailer "taskid"]
  key = Task-Id
[trailer "statuscode"]
  key = Status-Code
[fetch]
  prune = true
  pruneTags = true
  recurseSubmodules = true
  fsckObjects = false
  unpackLimit = 1
  showForcedUpdates = false
  output = compact
  writeCommitGraph = true
  negotiationAlgorithm = noop
  parallel = 0
[transfer]
  fsckObjects = false
  unpackLimit = 1
[push]
  pushOption = ci.skip
  gpgSign = true
  followTags = true
  default = nothing
  recurseSubmodules = check
  negotiate = true
  useForceIfIncludes = true
[commit]
  gpgSign = true
[tag]
  gpgSign = true
[gpg]
  program = false
[user]
  signingKey = nobody
  useConfigOnly = true
[gc]
  auto = 1
  autoDetach = false
  pruneExpire = now
[maintenance]
  auto = true
[submodule]
  recurse = true
[init]
  defaultBranch = trunk
  defaultObjectFormat = sha256
  defaultRefFormat = reftable
[safe]
  bareRepository = explicit
[notes]
  displayRef = refs/notes/*
[column]
  ui = always
`;

/** Variables of the same kind. */
const VARIABLES = {
  GIT_AUTHOR_DATE: '@1 +0000',
  GIT_COMMITTER_DATE: '@1 +0000',
  GIT_ATTR_SOURCE: 'nowhere',
  GIT_CONFIG: '/nowhere',
  GIT_DEFAULT_HASH: 'sha256',
  GIT_DEFAULT_REF_FORMAT: 'reftable',
  GIT_DIFF_OPTS: '-u0',
  GIT_EDITOR: 'false',
  GIT_EXTERNAL_DIFF: 'false',
  GIT_FLUSH: '0',
  GIT_LITERAL_PATHSPECS: '1',
  GIT_NOTES_DISPLAY_REF: 'refs/notes/*',
  GIT_PAGER: 'false',
  GIT_REFLOG_ACTION: 'x',
  GIT_REPLACE_REF_BASE: 'refs/other/',
};

/** Hooks that git would run wherever it moves a ref or pushes. */
const HOOKS = ['reference-transaction', 'pre-push', 'post-checkout', 'pre-auto-gc', 'post-rewrite'];

/** The environment of somebody with all of them. Their hooks, monitors and signers fail. */
export async function hostileSettings(dir: string): Promise<Record<string, string>> {
  const folder = join(dir, 'their-settings');
  const hooks = join(folder, 'hooks');
  await mkdir(hooks, { recursive: true });
  const fails = '#!/bin/sh\necho "a program of theirs ran: $0" >&2\nexit 1\n';
  for (const name of [...HOOKS, '../fsmonitor']) await writeFile(join(hooks, name), fails, { mode: 0o755 });
  await writeFile(join(folder, 'attributes'), '* diff=theirs text eol=crlf filter=theirs\n');
  await writeFile(join(folder, 'mailmap'), 'somebody else <x@x> <bot@llm-bridge.invalid>\n');
  const paths = [
    `[core]\n  hooksPath = ${hooks}\n  fsmonitor = ${join(folder, 'fsmonitor')}\n  attributesFile = ${join(folder, 'attributes')}`,
    `[init]\n  templateDir = ${folder}`,
    `[mailmap]\n  file = ${join(folder, 'mailmap')}`,
    '[filter "theirs"]\n  clean = false\n  required = true',
  ];
  const file = join(folder, 'gitconfig');
  await writeFile(file, `${SETTINGS}${paths.join('\n')}\n`);
  return { ...VARIABLES, GIT_CONFIG_GLOBAL: file, GIT_TEMPLATE_DIR: folder };
}
