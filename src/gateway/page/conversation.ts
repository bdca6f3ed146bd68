/** A turn of the conversation. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  /** Of an answer: the model that was asked. */
  readonly model?: string;
  text: string;
  thinking: string;
  /** Data URLs. */
  readonly images: readonly string[];
  /** The task that answers, and how it ended. */
  task?: string;
  failed?: string;
}

/** A conversation as the browser keeps it: `isOpen` while an answer is being written. */
export interface Conversation {
  readonly model: string;
  readonly turns: Turn[];
  readonly isOpen: boolean;
}

const STORED = 'llm-bridge-chat';

/** Keeps a conversation in the browser. */
export function keepConversation(conversation: Conversation): void {
  // Photos may be more than a browser keeps: the chat goes on, and a reload forgets them, or all of it.
  const turns = conversation.turns.map((turn) => ({ ...turn, images: [] }));
  if (!isStored(conversation) && !isStored({ ...conversation, turns, isOpen: false }))
    localStorage.removeItem(STORED);
}

function isStored(conversation: Conversation): boolean {
  try {
    localStorage.setItem(STORED, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

/** The conversation that was kept; an empty one where there is none. */
export function restoredConversation(): Conversation {
  try {
    const kept = JSON.parse(localStorage.getItem(STORED) ?? '') as Conversation;
    if (Array.isArray(kept.turns)) return kept;
  } catch {
    // Nothing was kept yet.
  }
  return { model: '', turns: [], isOpen: false };
}

/** Whether a turn has anything to be sent; an answer that failed before its first word has not. */
export function isSaid(turn: Turn): boolean {
  return turn.text !== '' || turn.images.length > 0;
}

/** A turn as `/v1/chat/completions` takes it. */
export function messageOf({ role, text, images }: Turn) {
  if (images.length === 0) return { role, content: text };
  const pictures = images.map((url) => ({ type: 'image_url', image_url: { url } }));
  return { role, content: [{ type: 'text', text }, ...pictures] };
}
