import {
  type Claim,
  isLeaseAllowed,
  isLeaseOver,
  MAX_CLAIM_BYTES,
  MAX_CLAIM_LEASE_MS,
  readClaim,
  sameHolder,
} from '../protocol/claim.js';
import { formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import { notSent } from './cited.js';
import type { SidePush } from './push-context.js';
import { type ClaimUpdate, isZero } from './pushed-refs.js';
import { readTaskStatuses, type TaskStatus } from './task-status.js';

/**
 * An agent makes, renews and takes over a claim in its own name, for a bounded time by the server's clock,
 * on an open task. Only the holder may change a live claim. The holder may remove it at any time; others may
 * remove it once its lease is over, or together with the answer.
 */
export async function judgeClaims(push: SidePush, claims: readonly ClaimUpdate[]): Promise<Refusal | null> {
  const made = claims.filter(({ line }) => !isZero(line.newId));
  const { repo, reader, nowMs, settings, tip } = push;
  const statuses =
    made.length === 0
      ? new Map<string, TaskStatus>()
      : await readTaskStatuses(
          { repo, reader, tip, nowMs, ttlMs: settings.taskTtlMs },
          made.map(({ task }) => task),
        );
  for (const claim of claims) {
    const denial = await judgeOne(push, claim, statuses.get(claim.task) ?? 'unknown');
    if (denial !== null) return { ...denial, ref: claim.line.ref };
  }
  return null;
}

async function judgeOne(push: SidePush, update: ClaimUpdate, status: TaskStatus): Promise<Refusal | null> {
  const { line, task } = update;
  if (push.principal !== null && push.principal.role !== 'agent') {
    return {
      code: 'role',
      text: `${push.principal.name} has the role ${push.principal.role}; only agents claim tasks`,
      remedy: 'use a key of the other role (llm-bridge key list)',
    };
  }
  // The old id that the client sends proves nothing about what is there.
  const there = await push.reader.info(line.ref);
  if ((there?.id ?? line.newId.replace(/./g, '0')) !== line.oldId) {
    return { code: 'stale', text: 'the claim was changed meanwhile', remedy: 'fetch, and look who has it' };
  }
  const old = there === null ? null : await readOld(push, there.id);
  if (isZero(line.newId)) return judgeEnd(push, task, there === null ? 'nothing' : old);
  const isSent = await push.citations.mayCite(line.newId);
  if (isSent === 'no') return notSentHere(line.newId, isSent);
  const read = await readNew(push, line.newId);
  const denial = 'code' in read ? read : judgeClaim(push, task, read.claim);
  // A valid claim is the pusher's own, sent or not. A refusal says nothing about any other object that did
  // not come.
  if (denial !== null && isSent === 'unknown') return notSentHere(line.newId, isSent);
  if ('code' in read) return read;
  return denial ?? judgeHolder(push, task, old, read.claim) ?? judgeTask(task, status);
}

function notSentHere(id: string, isSent: 'no' | 'unknown'): Refusal {
  return { ...notSent(`the claim ${shortId(id)}`, isSent), code: 'payload' };
}

/** The claim that is there; null where it cannot be read. Such a claim keeps nobody out. */
async function readOld(push: SidePush, id: string): Promise<Claim | null> {
  const object = await push.reader.read(id, MAX_CLAIM_BYTES);
  const read = object?.info.type === 'blob' ? readClaim(object.content) : null;
  return read?.ok ? read.value : null;
}

async function readNew(push: SidePush, id: string): Promise<{ claim: Claim } | Refusal> {
  const info = await push.reader.info(id);
  if (info?.type !== 'blob') {
    return {
      code: 'shape',
      text: `a claim is a blob, and ${shortId(id)} is ${info === null ? 'not here' : `a ${info.type}`}`,
      remedy: 'see "Claims" in docs/protocol.md',
    };
  }
  if (info.size > MAX_CLAIM_BYTES) {
    return {
      code: 'limit',
      text: `the claim ${shortId(id)} has ${info.size} bytes; the limit is ${MAX_CLAIM_BYTES}`,
      remedy: 'see "Claims" in docs/protocol.md',
    };
  }
  const read = readClaim((await push.reader.read(id))?.content ?? Buffer.alloc(0));
  if (read.ok) return { claim: read.value };
  return {
    code: 'payload',
    text: `the claim ${shortId(id)} ${read.reason}`,
    remedy: 'see "Claims" in docs/protocol.md',
  };
}

/** Judges the claim by itself: its holder and its lease. */
function judgeClaim({ principal, nowMs }: SidePush, task: string, claim: Claim): Refusal | null {
  if (principal !== null && claim.agent !== principal.name) {
    return {
      code: 'author',
      text: `the claim on task ${shortId(task)} says ${claim.agent}, the key is ${principal.name}'s`,
      remedy: `"agent": "${principal.name}"`,
    };
  }
  if (isLeaseAllowed(claim, nowMs)) return null;
  const leftMs = Date.parse(claim.until) - nowMs;
  const what =
    leftMs <= 0
      ? `ended ${formatDuration(-leftMs)} ago`
      : `is for ${formatDuration(leftMs)}, the limit is ${formatDuration(MAX_CLAIM_LEASE_MS)}`;
  return {
    code: 'clock',
    text: `the claim on task ${shortId(task)} ${what} by the server's clock (${new Date(nowMs).toISOString()})`,
    remedy: 'ask the server for its time (bridge-hello), and claim for a minute from then',
  };
}

function judgeHolder(push: SidePush, task: string, old: Claim | null, claim: Claim): Refusal | null {
  if (old === null || isLeaseOver(old, push.nowMs) || sameHolder(old, claim)) return null;
  return heldBy(old, task);
}

function judgeTask(task: string, status: TaskStatus): Refusal | null {
  switch (status) {
    case 'open':
      return null;
    case 'answered':
      return {
        code: 'answered',
        text: `task ${shortId(task)} has its answer already`,
        remedy: 'nothing; the first answer stays',
      };
    case 'expired':
      return {
        code: 'expired',
        text: `the time of task ${shortId(task)} is over`,
        remedy: 'ask again, or raise bridge.taskTtl on the server',
      };
    case 'unknown':
      return {
        code: 'unknown-task',
        text: `${shortId(task)} is not a task on main`,
        remedy: 'fetch, and claim tasks that are pending',
      };
  }
}

function judgeEnd(push: SidePush, task: string, old: Claim | 'nothing' | null): Refusal | null {
  if (old === 'nothing') {
    return {
      code: 'stale',
      text: `there is no claim on task ${shortId(task)}`,
      remedy: 'fetch, and look who has it',
    };
  }
  const isFree = old === null || isLeaseOver(old, push.nowMs) || push.answering.has(task);
  if (isFree || push.principal === null || old.agent === push.principal.name) return null;
  return heldBy(old, task);
}

function heldBy(claim: Claim, task: string): Refusal {
  return {
    code: 'claimed',
    holder: claim.agent,
    text: `task ${shortId(task)} is held by ${claim.agent} until ${claim.until}`,
    remedy: 'leave it, or wait until then; an answer is taken from anybody',
  };
}
