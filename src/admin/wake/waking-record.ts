import { randomBytes } from 'node:crypto';
import type { BridgeView } from '../../bridge/bridge-view.js';
import { connectBridge } from '../../bridge/connection.js';
import { writeBlob } from '../../git/commit-file.js';
import { REMOTE_PREFIX } from '../../git/fetch.js';
import { openObjectReader } from '../../git/object-reader.js';
import { pushSideRefs } from '../../git/push.js';
import { readRef } from '../../git/refs.js';
import { packageVersion } from '../../process/own-package.js';
import {
  isWaker,
  MAX_PRESENCE_BYTES,
  presenceRef,
  readPresence,
  type WAKER_PHASES,
  writePresence,
} from '../../protocol/presence.js';

/**
 * Says on the bridge that an agent is being woken, so that `status` can show it. It is the presence of our
 * key, which the rules judge already: `stopped`, because nobody is to wait for us. Nothing depends on it.
 */
export class WakingRecord {
  readonly #view: BridgeView;
  readonly #session = randomBytes(8).toString('hex');
  readonly #startedMs: number;
  #said: { readonly task: string; readonly since: string } | null = null;

  constructor(view: BridgeView) {
    this.#view = view;
    this.#startedMs = view.terms.serverNow();
  }

  /** Why this record cannot be kept, for a line of the log; null where it can. */
  async obstacle(): Promise<string | null> {
    const { principal } = this.#view.terms;
    if (principal === null) return 'the bridge knows no key of ours';
    if (principal.role !== 'agent') return `the key of ${principal.name} is that of an asker`;
    const before = await this.#before(principal.name);
    // An agent that has the same key would be taken for a waker.
    const isAgents = before !== null && !before.isOurs;
    return isAgents ? `an agent has the key of ${principal.name}; give this one a key of its own` : null;
  }

  /**
   * Says that the agent of this task is being woken, since the time when that was first said. Throws as
   * pushSideRefs does.
   */
  async waking(task: string, signal: AbortSignal): Promise<void> {
    const now = new Date(this.#view.terms.serverNow()).toISOString();
    this.#said = { task, since: this.#said?.since ?? now };
    await this.#push('waking', this.#said, signal);
  }

  /** Says that nobody has to be woken any more; nothing where nobody was. Throws as pushSideRefs does. */
  async watching(signal: AbortSignal): Promise<void> {
    const said = this.#said;
    if (said === null) return;
    this.#said = null;
    await this.#push('watching', said, signal);
  }

  async #push(
    phase: (typeof WAKER_PHASES)[number],
    { task, since }: { readonly task: string; readonly since: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { connection, repo, terms } = this.#view;
    const name = terms.principal?.name;
    if (name === undefined || (await this.obstacle()) !== null) return;
    const presence = writePresence({
      ...{ agent: name, session: this.#session, state: 'stopped', version: packageVersion() },
      ...{ backends: [], models: [], parallel: 1, busy: [], work: [{ task, phase, since }] },
      started_at: new Date(this.#startedMs).toISOString(),
      seen_at: new Date(terms.serverNow()).toISOString(),
    });
    const to = await writeBlob(repo, presence);
    const from = (await this.#before(name))?.id ?? null;
    await connectBridge(connection, signal);
    const target = { repo, url: connection.address.url, signal };
    await pushSideRefs(target, [{ ref: presenceRef(name), to, from }]);
  }

  /** What the bridge has under our name, as of the last fetch. */
  async #before(name: string): Promise<{ readonly id: string; readonly isOurs: boolean } | null> {
    const { repo } = this.#view;
    const id = await readRef(repo, presenceRef(name).replace('refs/bridge/', REMOTE_PREFIX));
    if (id === null) return null;
    const reader = openObjectReader(repo);
    try {
      const blob = await reader.read(id, MAX_PRESENCE_BYTES);
      const read = readPresence(blob?.content ?? Buffer.alloc(0));
      return { id, isOurs: read.ok && isWaker(read.value) };
    } finally {
      reader.close();
    }
  }
}
