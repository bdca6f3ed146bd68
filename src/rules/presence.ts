import { MAX_PRESENCE_BYTES, presenceRef, readPresence } from '../protocol/presence.js';
import type { OwnRefKind } from './own-ref.js';

/** An agent says that it is there. */
export const PRESENCE_KIND: OwnRefKind = {
  what: 'presence',
  whoSays: 'say that they are there',
  refOf: presenceRef,
  maxBytes: MAX_PRESENCE_BYTES,
  read(bytes) {
    const said = readPresence(bytes);
    return said.ok ? { ok: true, value: { agent: said.value.agent, at: said.value.seen_at } } : said;
  },
  remedy: 'see "Presence" in docs/protocol.md',
};
