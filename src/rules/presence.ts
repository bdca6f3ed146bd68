import { formatDuration } from '../protocol/duration.js';
import { MAX_CLOCK_BEHIND_MS } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import { MAX_PRESENCE_AHEAD_MS, MAX_PRESENCE_BYTES, readPresence } from '../protocol/presence.js';
import type { Refusal } from '../protocol/refusal.js';
import { notSent } from './cited.js';
import type { SidePush } from './push-context.js';
import { isZero, type PresenceUpdate } from './pushed-refs.js';

const REMEDY = 'see "Presence" in ARCHITECTURE.md';

/**
 * An agent may announce its presence: only under its own name, in a few bytes, and with about the current
 * time.
 */
export async function judgePresences(
  push: SidePush,
  presences: readonly PresenceUpdate[],
): Promise<Refusal | null> {
  for (const presence of presences) {
    const denial = await judgeOne(push, presence);
    if (denial !== null) return { ...denial, text: `${presence.line.ref}: ${denial.text}` };
  }
  return null;
}

async function judgeOne(push: SidePush, { line, agent }: PresenceUpdate): Promise<Refusal | null> {
  const { principal, reader } = push;
  if (principal !== null && principal.role !== 'agent') {
    return {
      code: 'role',
      text: `${principal.name} has the role ${principal.role}; only agents say that they are there`,
      remedy: 'use a key of the other role (llm-bridge key list)',
    };
  }
  if (principal !== null && agent !== principal.name) {
    return {
      code: 'author',
      text: `the presence is ${agent}'s, the key is ${principal.name}'s`,
      remedy: `refs/bridge/agents/${principal.name}`,
    };
  }
  const there = await reader.info(line.ref);
  if ((there?.id ?? line.newId.replace(/./g, '0')) !== line.oldId) {
    return { code: 'stale', text: 'the presence was changed meanwhile', remedy: 'push it again' };
  }
  if (isZero(line.newId)) return null;
  const isSent = await push.citations.mayCite(line.newId);
  const denial = isSent === 'no' ? null : await judgeBlob(push, line.newId, agent);
  // A valid presence is the pusher's own, sent or not. A refusal says nothing about any other object that did
  // not come.
  if (isSent === 'yes' || (denial === null && isSent === 'unknown')) return denial;
  return { ...notSent(`the presence ${shortId(line.newId)}`, isSent), code: 'payload' };
}

async function judgeBlob(push: SidePush, id: string, agent: string): Promise<Refusal | null> {
  const { reader } = push;
  const info = await reader.info(id);
  if (info?.type !== 'blob') {
    const what = info === null ? 'not here' : `a ${info.type}`;
    return { code: 'shape', text: `a presence is a blob, and ${shortId(id)} is ${what}`, remedy: REMEDY };
  }
  if (info.size > MAX_PRESENCE_BYTES) {
    const text = `the presence has ${info.size} bytes; the limit is ${MAX_PRESENCE_BYTES}`;
    return { code: 'limit', text, remedy: REMEDY };
  }
  const read = readPresence((await reader.read(id))?.content ?? Buffer.alloc(0));
  if (!read.ok) return { code: 'payload', text: `the presence ${read.reason}`, remedy: REMEDY };
  if (read.value.agent !== agent) {
    return { code: 'author', text: `the presence says ${read.value.agent}`, remedy: `"agent": "${agent}"` };
  }
  const aheadMs = Date.parse(read.value.seen_at) - push.nowMs;
  if (aheadMs <= MAX_PRESENCE_AHEAD_MS && -aheadMs <= MAX_CLOCK_BEHIND_MS) return null;
  return {
    code: 'clock',
    text: `the presence is dated ${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the server's clock`,
    remedy: 'set the clock of your machine',
  };
}
