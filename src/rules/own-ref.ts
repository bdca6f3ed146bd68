import { formatDuration } from '../protocol/duration.js';
import { MAX_CLOCK_BEHIND_MS } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import { MAX_PRESENCE_AHEAD_MS } from '../protocol/presence.js';
import type { Refusal } from '../protocol/refusal.js';
import type { ReadResult } from '../protocol/strict-json.js';
import { notSent } from './cited.js';
import type { SidePush } from './push-context.js';
import { type AgentRefUpdate, isZero } from './pushed-refs.js';

/** What an agent says of itself, in a ref that is named after it. */
export interface OwnRefKind {
  /** What it is, in the middle of a sentence: `the presence`. */
  readonly what: string;
  /** Who may say it, for the refusal of the others. */
  readonly whoSays: string;
  /** The ref of the agent of this name. */
  refOf(agent: string): string;
  readonly maxBytes: number;
  /** Its writer, and when it was written. */
  read(bytes: Uint8Array): ReadResult<{ readonly agent: string; readonly at: string }>;
  /** Where it is explained. */
  readonly remedy: string;
}

/**
 * An agent says something of itself: only under its own name, in a bounded number of bytes that it sent, and
 * with about the current time. The old id in the push must be what is there.
 */
export async function judgeOwnRefs(
  push: SidePush,
  kind: OwnRefKind,
  updates: readonly AgentRefUpdate[],
): Promise<Refusal | null> {
  for (const update of updates) {
    const denial = await judgeOne(push, kind, update);
    if (denial !== null) return { ...denial, ref: update.line.ref };
  }
  return null;
}

async function judgeOne(
  push: SidePush,
  kind: OwnRefKind,
  { line, agent }: AgentRefUpdate,
): Promise<Refusal | null> {
  const { principal, reader } = push;
  if (principal !== null && principal.role !== 'agent') {
    return {
      code: 'role',
      text: `${principal.name} has the role ${principal.role}; only agents ${kind.whoSays}`,
      remedy: 'use a key of the other role (llm-bridge key list)',
    };
  }
  if (principal !== null && agent !== principal.name) {
    return {
      code: 'author',
      text: `the ${kind.what} is ${agent}'s, the key is ${principal.name}'s`,
      remedy: kind.refOf(principal.name),
    };
  }
  const there = await reader.info(line.ref);
  if ((there?.id ?? line.newId.replace(/./g, '0')) !== line.oldId) {
    return { code: 'stale', text: `the ${kind.what} was changed meanwhile`, remedy: 'push it again' };
  }
  if (isZero(line.newId)) return null;
  const isSent = await push.citations.mayCite(line.newId);
  const denial = isSent === 'no' ? null : await judgeBlob(push, kind, line.newId, agent);
  // A valid blob is the pusher's own, sent or not. A refusal says nothing about any other object that did
  // not come.
  if (isSent === 'yes' || (denial === null && isSent === 'unknown')) return denial;
  return { ...notSent(`the ${kind.what} ${shortId(line.newId)}`, isSent), code: 'payload' };
}

async function judgeBlob(
  push: SidePush,
  { what, maxBytes, read, remedy }: OwnRefKind,
  id: string,
  agent: string,
): Promise<Refusal | null> {
  const { reader } = push;
  const info = await reader.info(id);
  if (info?.type !== 'blob') {
    const found = info === null ? 'not here' : `a ${info.type}`;
    return { code: 'shape', text: `a ${what} is a blob, and ${shortId(id)} is ${found}`, remedy };
  }
  if (info.size > maxBytes) {
    const text = `the ${what} has ${info.size} bytes; the limit is ${maxBytes}`;
    return { code: 'limit', text, remedy };
  }
  const said = read((await reader.read(id))?.content ?? Buffer.alloc(0));
  if (!said.ok) return { code: 'payload', text: `the ${what} ${said.reason}`, remedy };
  if (said.value.agent !== agent) {
    const text = `the ${what} says ${said.value.agent}`;
    return { code: 'author', text, remedy: `"agent": "${agent}"` };
  }
  const aheadMs = Date.parse(said.value.at) - push.nowMs;
  if (aheadMs <= MAX_PRESENCE_AHEAD_MS && -aheadMs <= MAX_CLOCK_BEHIND_MS) return null;
  return {
    code: 'clock',
    text: `the ${what} is dated ${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the server's clock`,
    remedy: 'set the clock of your machine',
  };
}
