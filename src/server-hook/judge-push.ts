import { readBridgeSettings } from '../git/bridge-settings.js';
import { openObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import type { Denial, PushContext, Rule } from './push-context.js';
import { readPrincipal } from './read-principal.js';
import { readPushed } from './read-pushed.js';
import { readUpdateLine } from './read-update-lines.js';
import { authorRule } from './rules/author.js';
import { boundIncoming } from './rules/bounds.js';
import { chainRule } from './rules/chain.js';
import { clockRule } from './rules/clock.js';
import { commitRule } from './rules/commit.js';
import { objectsRule } from './rules/objects.js';
import { openTaskRule } from './rules/open-task.js';
import { payloadRule } from './rules/payload.js';
import { refRule } from './rules/ref.js';
import { roleRule } from './rules/role.js';
import { shapeRule } from './rules/shape.js';

/** Every rule a push has to keep, the cheap and general ones first; the first that is broken speaks. */
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
}

/** Judges a push. Answers null where it may go through, else the first denial, which names who pushed and to where. Writes nothing. */
export async function judgePush(input: PushInput): Promise<Denial | null> {
  const who = await readPrincipal(input.repo.gitDir, input.env);
  if ('code' in who) return who;
  const name = who.principal?.name ?? 'the owner';
  const update = readUpdateLine(input.stdin);
  if ('code' in update) return { ...update, text: `${name}: ${update.text}` };
  const badRef = refRule(update);
  if (badRef !== null) return { ...badRef, text: `${name}: ${badRef.text}` };
  const denial = await judgeUpdate(input, who.principal, update);
  return denial === null ? null : { ...denial, text: `${name}, ${update.ref}: ${denial.text}` };
}

async function judgeUpdate(
  input: PushInput,
  principal: PushContext['principal'],
  update: PushContext['update'],
): Promise<Denial | null> {
  const reader = openObjectReader(input.repo);
  try {
    const [settings, incoming] = await Promise.all([
      readBridgeSettings(input.repo),
      boundIncoming({ repo: input.repo, reader, update }),
    ]);
    if ('code' in incoming) return incoming;
    const { commits, recent } = await readPushed(input.repo, reader, update.newId);
    const push: PushContext = {
      repo: input.repo,
      reader,
      settings,
      principal,
      update,
      incoming,
      nowMs: input.nowMs,
      commits,
      recent,
      messages: commits.map(messageOf),
    };
    for (const rule of RULES) {
      const denial = await rule(push);
      if (denial !== null) return denial;
    }
    return null;
  } finally {
    reader.close();
  }
}
