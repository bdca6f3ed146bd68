import { CANCEL_FILE, INBOX_FILE, shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { PushContext } from './push-context.js';

/** Commits of an agent answer; commits of an asker ask and cancel. The owner may do all of it. */
export function roleRule(push: PushContext): Refusal | null {
  const { principal } = push;
  if (principal === null) return null;
  const allowed = principal.role === 'agent' ? ['answer'] : ['task', 'cancel'];
  const wrong = push.messages.find((message) => !allowed.includes(message.kind));
  if (wrong === undefined) return null;
  const may =
    principal.role === 'agent'
      ? `may change ${INBOX_FILE} only`
      : `may change task.txt, task.json and ${CANCEL_FILE} only`;
  return {
    code: 'role',
    text: `${principal.name} has the role ${principal.role} and ${may}; commit ${shortId(wrong.commit.id)} changes something else`,
    remedy: 'use a key of the other role (llm-bridge key list)',
  };
}
