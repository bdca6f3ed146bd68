import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import { parseRefusal, type Refusal } from '../protocol/refusal.js';
import { BESIDE_PREFIX } from './broken-refs.js';
import { classifyGitFailure } from './git-failure.js';
import { gitMeant } from './git-meaning.js';
import type { RefAt } from './ref-files.js';
import type { RefUpdate } from './refs.js';
import type { Repository } from './run-git.js';
import { runRemoteGit } from './run-remote-git.js';

/** The two ends of a push. */
export interface PushTarget {
  readonly repo: Repository;
  readonly url: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * `raced`: another push moved main first, so fetch and build again. `not-with-those`: the push failed
 * because of the refs that went with main, or for an unknown reason, so main alone may succeed.
 */
export type PushOutcome =
  | { readonly status: 'pushed' }
  | { readonly status: 'raced' }
  | { readonly status: 'not-with-those' }
  | { readonly status: 'refused'; readonly refusal: Refusal };

/**
 * Pushes one commit to `main`, as a fast-forward or not at all. The refs `ends` are deleted in the same
 * transaction, each only if it still points at its id there. Throws BridgeError `rejected`, or as
 * classifyGitFailure does.
 */
export async function pushCommit(
  context: PushTarget,
  commit: string,
  ends: readonly RefAt[] = [],
): Promise<PushOutcome> {
  const result = await runPush(
    context,
    [
      ...(ends.length === 0 ? [] : ['--atomic']),
      ...ends.map(({ ref, id }) => `--force-with-lease=${ref}:${id}`),
    ],
    [`${commit}:${MAIN_REF}`, ...ends.map(({ ref }) => `:${ref}`)],
  );
  if (ends.length > 0 && result.exitCode !== 0 && isAboutOthers(result, parseRefusal(result.stderr)))
    return { status: 'not-with-those' };
  return outcomeOfPush(context.url, result);
}

/** What a push of main came to. Throws as pushCommit does. */
export function outcomeOfPush(url: string, result: PushResult): PushOutcome {
  if (result.exitCode === 0) return { status: 'pushed' };
  const { report, stderr } = result;
  const refusal = parseRefusal(stderr);
  if (refusal !== null)
    return refusal.code === 'stale' ? { status: 'raced' } : { status: 'refused', refusal };
  const failure = classifyGitFailure(`push to ${url}`, stderr, url);
  // A full disk also makes the lock of the ref fail, but that is no race.
  if (failure.code === 'disk-full') throw failure;
  const hasRaced = report.some(({ summary }) => gitMeant('raced', summary)) || gitMeant('raced', stderr);
  if (hasRaced || isAtomicAndLost(result)) return { status: 'raced' };
  throw rejected(url, report) ?? failure;
}

/** In a transaction git reports every ref as failed. A separate line names the ref that caused it. */
function isAtomicAndLost({ report, stderr }: PushResult): boolean {
  const isAtomic = report.some(({ summary }) => gitMeant('none-moved', summary));
  return isAtomic && gitMeant('main-locked', stderr);
}

/** Whether a push failed because of one of the refs that go with main, or for an unknown reason. */
function isAboutOthers(result: PushResult, refusal: Refusal | null): boolean {
  // The server checks claims after main. An older one knows no claims, and says that a push moves one ref.
  if (refusal !== null) return refusal.code === 'ref' || refusal.ref?.startsWith(BESIDE_PREFIX) === true;
  const rejected = result.report.filter(({ sign }) => sign === '!');
  if (rejected.length === 0) return gitMeant('not-atomic', result.stderr);
  const ofMain = rejected.find(({ ref }) => ref === MAIN_REF);
  const isMainAtFault = ofMain !== undefined && !gitMeant('atomic-failed', ofMain.summary);
  return !isMainAtFault && !isAtomicAndLost(result);
}

/** A change of a ref outside main: only if it is still at `from` there. */
export type SideRefChange = Required<RefUpdate>;

/**
 * `pushed`: these refs were pushed; the others were not at `from`. `refused`: the server refused one of
 * them, and took none that went together with it.
 */
export type SidePushOutcome =
  | { readonly status: 'pushed'; readonly refs: ReadonlySet<string> }
  | { readonly status: 'refused'; readonly refusal: Refusal };

/**
 * Pushes refs outside main: all of them in one transaction, so that nobody sees one without the others.
 * Where some are not at their `from`, each of the others as its own compare-and-swap. Throws BridgeError as
 * classifyGitFailure does.
 */
export async function pushSideRefs(
  context: PushTarget,
  changes: readonly SideRefChange[],
): Promise<SidePushOutcome> {
  // git also sends the object of a ref whose lease it then finds stale, and the server refuses a push with
  // an object that belongs to none of its refs. So several objects go all or none, or one push for each.
  const groups = byObject(changes);
  const together = groups.length > 1 ? await pushTogether(context, changes, true) : null;
  if (together !== null && (together.status === 'refused' || together.refs.size > 0)) return together;
  const outcomes = await Promise.all(groups.map((group) => pushTogether(context, group)));
  const refused = outcomes.find((outcome) => outcome.status === 'refused');
  if (refused !== undefined) return refused;
  return {
    status: 'pushed',
    refs: new Set(outcomes.flatMap((outcome) => (outcome.status === 'pushed' ? [...outcome.refs] : []))),
  };
}

/** Groups the changes by the object that they move to. Deletions go with the first group. */
function byObject(changes: readonly SideRefChange[]): readonly SideRefChange[][] {
  const groups = new Map<string, SideRefChange[]>();
  for (const change of changes) {
    if (change.to !== null) groups.set(change.to, [...(groups.get(change.to) ?? []), change]);
  }
  const deleted = changes.filter(({ to }) => to === null);
  const [first = [], ...others] = groups.values();
  return [[...first, ...deleted], ...others].filter((group) => group.length > 0);
}

async function pushTogether(
  context: PushTarget,
  changes: readonly SideRefChange[],
  isAtomic = false,
): Promise<SidePushOutcome> {
  const { exitCode, report, stderr } = await runPush(
    context,
    [
      ...(isAtomic ? ['--atomic'] : []),
      ...changes.map(({ ref, from }) => `--force-with-lease=${ref}:${from ?? ''}`),
    ],
    changes.map(({ ref, to }) => `${to ?? ''}:${ref}`),
  );
  const refusal = exitCode === 0 ? null : parseRefusal(stderr);
  if (refusal !== null) return { status: 'refused', refusal };
  if (isAtomic && gitMeant('not-atomic', stderr)) return { status: 'pushed', refs: new Set() };
  // If the connection broke first, git reports nothing about a ref.
  if (exitCode !== 0 && !report.some(({ sign }) => sign === '!'))
    throw classifyGitFailure(`push to ${context.url}`, stderr, context.url);
  const pushed = report.filter(({ sign }) => sign !== '!');
  return { status: 'pushed', refs: new Set(pushed.map(({ ref }) => ref)) };
}

/** The result of a push. */
export interface PushResult {
  readonly exitCode: number;
  readonly report: readonly RefReport[];
  readonly stderr: string;
}

/** What `git push --porcelain` says about one ref of the other side. */
interface RefReport {
  /** `!`: it was not pushed. */
  readonly sign: string;
  readonly ref: string;
  /** `[remote rejected] (why)`. */
  readonly summary: string;
}

async function runPush(
  { repo, url, signal }: PushTarget,
  options: readonly string[],
  refspecs: readonly string[],
): Promise<PushResult> {
  const args = [
    'push',
    ...['--porcelain', '--no-verify', '--no-signed', '--no-follow-tags', '--recurse-submodules=no'],
    ...options,
    ...['--end-of-options', url, ...refspecs],
  ];
  const { exitCode, stdout, stderr } = await runRemoteGit(repo, args, signal);
  return { exitCode, report: readReport(stdout.toString('utf8')), stderr };
}

/** One line a ref: a sign, a tab, `<src>:<dst>`, a tab, the result. */
function readReport(stdout: string): RefReport[] {
  return stdout.split('\n').flatMap((line) => {
    const [sign = '', refs = '', summary = ''] = line.split('\t');
    return /^[ +*=!-]$/.test(sign) ? [{ sign, ref: refs.slice(refs.indexOf(':') + 1), summary }] : [];
  });
}

function rejected(url: string, report: readonly RefReport[]): BridgeError | null {
  const row = report.find(({ summary }) => summary.startsWith('[remote rejected] ('));
  if (row === undefined) return null;
  const why = row.summary.slice('[remote rejected] ('.length).replace(/\)$/, '');
  return new BridgeError(`push to ${url}: the server rejected it (${why})`, {
    code: 'rejected',
    remedy: 'look at the lines of "remote:" above, and run "llm-bridge init" again on the server',
    retryable: true,
  });
}
