import { type BridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { rememberObjects } from '../git/remember-objects.js';
import type { Repository } from '../git/run-git.js';
import { errorText } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { MAX_COMMITS_PER_PUSH } from '../protocol/limits.js';
import { MAIN_REF } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';
import { formatRefusal, type Refusal } from '../protocol/refusal.js';
import { authorRule } from '../rules/author.js';
import { boundIncoming, boundSideIncoming, MAX_OBJECTS, MAX_SIDE_OBJECTS } from '../rules/bounds.js';
import { chainRule } from '../rules/chain.js';
import { type Citations, openCitations } from '../rules/citations.js';
import { citedFileRule, sentCommitRule } from '../rules/cited.js';
import { judgeClaims } from '../rules/claim.js';
import { clockRule } from '../rules/clock.js';
import { commitRule } from '../rules/commit.js';
import { type IncomingObjects, listIncoming } from '../rules/incoming-objects.js';
import { MODELS_KIND } from '../rules/models.js';
import { objectsRule } from '../rules/objects.js';
import { openTaskRule } from '../rules/open-task.js';
import { judgeOwnRefs } from '../rules/own-ref.js';
import { payloadRule } from '../rules/payload.js';
import { PRESENCE_KIND } from '../rules/presence.js';
import type { PushContext, RefUpdateLine, Rule } from '../rules/push-context.js';
import { isZero, type PushedRefs, readUpdateLines, sortRefs } from '../rules/pushed-refs.js';
import { roleRule } from '../rules/role.js';
import { shapeRule } from '../rules/shape.js';
import { readPrincipal } from './read-principal.js';

/**
 * Every rule for a push of main, the cheap and general ones first. The first broken rule gives the refusal.
 */
export const RULES: readonly Rule[] = [
  sentCommitRule,
  chainRule,
  citedFileRule,
  shapeRule,
  commitRule,
  objectsRule,
  roleRule,
  authorRule,
  clockRule,
  payloadRule,
  openTaskRule,
];

/** What a push is judged by. */
export interface PushInput {
  readonly repo: Repository;
  /** What git wrote to the hook's standard input. */
  readonly stdin: string;
  /** The hook's own environment. It says who pushes. */
  readonly env: NodeJS.ProcessEnv;
  readonly nowMs: number;
  /** Given where the settings were read already. */
  readonly settings?: Promise<BridgeSettings> | undefined;
  /** The descriptor of the copy of the pack, where there is one (see `pack-copy.ts`). */
  readonly packCopy?: number | null;
}

/**
 * Judges a push as a whole: main by its rules, then the refs beside it. Returns null where the push may go
 * through, else the first refusal, which names the pusher and the ref. Writes nothing.
 */
export async function judgePush(input: PushInput): Promise<Refusal | null> {
  const who = await readPrincipal(input.repo.gitDir, input.env);
  if ('code' in who) return who;
  const name = who.principal?.name ?? 'the owner';
  const lines = readUpdateLines(input.stdin);
  const refs = 'code' in lines ? lines : sortRefs(lines);
  if ('code' in refs) return { who: name, ...refs };
  const refusal = await judgeRefs(input, who.principal, refs);
  // A refusal about a ref beside main names that ref itself.
  return refusal && { who: name, ...(refs.main === null ? {} : { ref: MAIN_REF }), ...refusal };
}

async function judgeRefs(
  input: PushInput,
  principal: PushContext['principal'],
  refs: PushedRefs,
): Promise<Refusal | null> {
  const { repo, nowMs } = input;
  const side = [...refs.claims, ...refs.presences, ...refs.models].map(({ line }) => line);
  const besides = new Set(side.map((line) => line.newId).filter((id) => !isZero(id)));
  const reader = rememberObjects(openObjectReader(repo));
  let citations: Citations | null = null;
  try {
    const settings = input.settings ?? readBridgeSettings(repo);
    settings.catch(() => {});
    const idBytes = (refs.main ?? side[0])?.newId.length === 64 ? 32 : 20;
    const max = refs.main === null ? MAX_SIDE_OBJECTS : MAX_OBJECTS;
    const incoming = await listIncoming({ ...repo, idBytes }, max);
    citations = openCitations({
      ...{ repo, reader, principal, settings, idBytes },
      incoming: incoming ?? { loose: [], packed: [] },
      packCopy: input.packCopy ?? null,
    });
    const common = { repo, reader, principal, citations, besides, nowMs };
    const judged =
      refs.main === null
        ? await boundSideIncoming(common, incoming)
        : await judgeMain({ ...common, update: refs.main, settings, incoming });
    if (judged !== null && 'code' in judged) return judged;
    if (side.length === 0) return null;
    const push = {
      ...common,
      settings: await settings,
      tip: refs.main?.newId ?? MAIN_REF,
      answering: new Set(judged?.answering),
    };
    return (
      (await judgeClaims(push, refs.claims)) ??
      (await judgeOwnRefs(push, PRESENCE_KIND, refs.presences)) ??
      (await judgeOwnRefs(push, MODELS_KIND, refs.models))
    );
  } finally {
    citations?.close();
    reader.close();
  }
}

/** Judges the update of main. Returns the tasks that it answers, or the refusal. */
async function judgeMain(part: {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  readonly principal: PushContext['principal'];
  readonly citations: Citations;
  readonly besides: ReadonlySet<string>;
  readonly nowMs: number;
  readonly update: RefUpdateLine;
  readonly settings: Promise<BridgeSettings>;
  /** Null: more objects than a push may have. */
  readonly incoming: IncomingObjects | null;
}): Promise<Refusal | { readonly answering: readonly string[] }> {
  const { repo, update } = part;
  const [settings, incoming] = await Promise.all([part.settings, boundIncoming(part)]);
  if ('code' in incoming) return incoming;
  const { commits, recent } = await readPushed(repo, part.reader, update.newId);
  const messages = commits.map(messageOf);
  const push: PushContext = { ...part, settings, incoming, commits, recent, messages };
  for (const rule of RULES) {
    const denial = await rule(push);
    if (denial !== null) return denial;
  }
  return {
    answering: push.messages.flatMap((one) => (one.kind === 'answer' ? [one.commit.taskTrailer] : [])),
  };
}

/** The most characters of an internal error that are sent to the pusher. */
const MAX_FAULT_CHARS = 300;

/**
 * Judges a push. Null lets it in, else the one line that says why not. A failure of the
 * judging itself also refuses the push.
 */
export async function judgeAloud(input: PushInput): Promise<string | null> {
  try {
    const refusal = await judgePush(input);
    return refusal && formatRefusal(refusal);
  } catch (error) {
    const text = oneLine(errorText(error)).slice(0, MAX_FAULT_CHARS);
    const remedy = 'tell the owner of the bridge; llm-bridge init repairs hooks';
    return formatRefusal({ code: 'internal', text, remedy });
  }
}

/**
 * How many commits git is asked for at first. On a bridge that is not busy, the answered task is
 * among them, and one git process is enough. A larger number would cost every push more than the
 * second process costs a few of them.
 */
const FIRST_LOOK = 16;

/**
 * The commits after main up to `tip`, the oldest first, and those newest commits of main that
 * were read with them. Commits that main has were judged earlier. Where there are too many,
 * this reads one more than is allowed.
 */
async function readPushed(
  repo: Repository,
  reader: ObjectReader,
  tip: string,
): Promise<{ commits: readonly HistoryCommit[]; recent: readonly HistoryCommit[] }> {
  const main = await reader.info(MAIN_REF);
  const recent = await readHistory(repo, { from: [tip], maxCount: FIRST_LOOK });
  const at = recent.findIndex((commit) => commit.id === main?.id);
  if (at >= 0) return { commits: recent.slice(at + 1), recent };
  const commits = await readHistory(repo, {
    from: [tip],
    not: [MAIN_REF],
    maxCount: MAX_COMMITS_PER_PUSH + 1,
  });
  return { commits, recent: [] };
}
