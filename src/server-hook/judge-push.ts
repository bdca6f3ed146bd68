import { type BridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { type ObjectReader, openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import { MAIN_REF } from '../protocol/names.js';
import type { Denial, PushContext, RefUpdateLine, Rule } from '../rules/push-context.js';
import { isZero, type PushedRefs, sortRefs } from '../rules/pushed-refs.js';
import { readPrincipal } from './read-principal.js';
import { readPushed } from './read-pushed.js';
import { readUpdateLines } from '../rules/read-update-lines.js';
import { authorRule } from '../rules/author.js';
import { boundIncoming, boundSideIncoming } from '../rules/bounds.js';
import { chainRule } from '../rules/chain.js';
import { judgeClaims } from '../rules/claim.js';
import { clockRule } from '../rules/clock.js';
import { commitRule } from '../rules/commit.js';
import { objectsRule } from '../rules/objects.js';
import { openTaskRule } from '../rules/open-task.js';
import { payloadRule } from '../rules/payload.js';
import { judgePresences } from '../rules/presence.js';
import { roleRule } from '../rules/role.js';
import { shapeRule } from '../rules/shape.js';

/** Every rule a push of main has to keep, the cheap and general ones first; the first that is broken speaks. */
const RULES: readonly Rule[] = [
  chainRule,
  shapeRule,
  commitRule,
  objectsRule,
  roleRule,
  authorRule,
  clockRule,
  payloadRule,
  openTaskRule,
];

/** What judging a push looks at. */
export interface PushInput {
  readonly repo: Repository;
  /** What git wrote to the hook's standard input. */
  readonly stdin: string;
  /** The hook's own environment: it says who pushes. */
  readonly env: NodeJS.ProcessEnv;
  readonly nowMs: number;
  /** Where they are read already. */
  readonly settings?: Promise<BridgeSettings> | undefined;
}

/**
 * Judges a push: main by its rules, then the claims and the presence beside it, all of it or nothing. Answers null where it may go through,
 * else the first denial, which names who pushed and to where. Writes nothing.
 */
export async function judgePush(input: PushInput): Promise<Denial | null> {
  const who = await readPrincipal(input.repo.gitDir, input.env);
  if ('code' in who) return who;
  const name = who.principal?.name ?? 'the owner';
  const lines = readUpdateLines(input.stdin);
  const refs = 'code' in lines ? lines : sortRefs(lines);
  if ('code' in refs) return { ...refs, text: `${name}: ${refs.text}` };
  const denial = await judgeRefs(input, who.principal, refs);
  if (denial === null) return null;
  // A denial about a claim or a presence names its ref itself.
  const ref = refs.main === null || denial.text.startsWith('refs/') ? '' : `, ${MAIN_REF}`;
  return { ...denial, text: `${name}${ref}: ${denial.text}` };
}

async function judgeRefs(
  input: PushInput,
  principal: PushContext['principal'],
  refs: PushedRefs,
): Promise<Denial | null> {
  const { repo, nowMs } = input;
  const side = [...refs.claims, ...refs.presences].map(({ line }) => line);
  const besides = new Set(side.map((line) => line.newId).filter((id) => !isZero(id)));
  const reader = openObjectReader(repo);
  try {
    const settings = input.settings ?? readBridgeSettings(repo);
    const common = { repo, reader, principal, besides, nowMs };
    const judged =
      refs.main === null
        ? await boundSideIncoming(common, side)
        : await judgeMain({ ...common, update: refs.main, settings });
    if (judged !== null && 'code' in judged) return judged;
    if (side.length === 0) return null;
    const push = {
      ...common,
      settings: await settings,
      tip: refs.main?.newId ?? MAIN_REF,
      answering: new Set(judged?.answering),
    };
    return (await judgeClaims(push, refs.claims)) ?? (await judgePresences(push, refs.presences));
  } finally {
    reader.close();
  }
}

/** Judges what is to become of main. Answers the tasks that it answers, or the denial. */
async function judgeMain(part: {
  readonly repo: Repository;
  readonly reader: ObjectReader;
  readonly principal: PushContext['principal'];
  readonly besides: ReadonlySet<string>;
  readonly nowMs: number;
  readonly update: RefUpdateLine;
  readonly settings: Promise<BridgeSettings>;
}): Promise<Denial | { readonly answering: readonly string[] }> {
  const { repo, update } = part;
  const [settings, incoming] = await Promise.all([part.settings, boundIncoming(part)]);
  if ('code' in incoming) return incoming;
  const { commits, recent } = await readPushed(repo, part.reader, update.newId);
  const push: PushContext = {
    ...part,
    settings,
    incoming,
    commits,
    recent,
    messages: commits.map(messageOf),
  };
  for (const rule of RULES) {
    const denial = await rule(push);
    if (denial !== null) return denial;
  }
  return {
    answering: push.messages.flatMap((one) => (one.kind === 'answer' ? [one.commit.taskTrailer] : [])),
  };
}
