import type { BridgeView } from '../bridge/bridge-view.js';
import { isAncestor, readRef } from '../git/refs.js';
import type { StatsRecord } from '../log/answer-stats.js';
import type { LargeMessages } from '../log/large-messages.js';
import { answersBackwards, type HistoryRecord, readAnswers } from '../log/read-answers.js';

/** So many of the newest answers are kept whole, to be searched: some megabytes. */
const MAX_WHOLE = 2_000;

/** So many are counted, as far back as the charts reach. To read them takes a second or two, once. */
const MAX_COUNTED = 20_000;
const REACH_MS = 28 * 24 * 60 * 60 * 1000;

/** The newest answers of a bridge, the oldest first: read once, and then only what is new. */
export class NewestAnswers {
  readonly #view: BridgeView;
  readonly #large: { readonly large?: LargeMessages };
  #whole: HistoryRecord[] = [];
  #counted: StatsRecord[] = [];
  #seen: string | null = null;
  #running: Promise<void> = Promise.resolve();

  /** `large` brings what the repository has left out. */
  constructor(view: BridgeView, large?: LargeMessages) {
    this.#view = view;
    this.#large = large === undefined ? {} : { large };
  }

  /** Those that are kept whole. Throws what reading the bridge throws. */
  async whole(): Promise<readonly HistoryRecord[]> {
    await this.#refresh();
    return this.#whole;
  }

  /** The figures of those that are counted. Throws what reading the bridge throws. */
  async counted(): Promise<readonly StatsRecord[]> {
    await this.#refresh();
    return this.#counted;
  }

  #refresh(): Promise<void> {
    this.#running = this.#running.catch(() => {}).then(() => this.#view.mended(() => this.#read()));
    return this.#running;
  }

  async #read(): Promise<void> {
    const { repo, ref, terms } = this.#view;
    const tip = await readRef(repo, ref);
    if (tip === null || tip === this.#seen) return;
    // Otherwise main was set back, or a clone was cut off behind what was seen.
    const isOn = this.#seen !== null && (await isAncestor(repo, this.#seen, tip));
    const whole = isOn ? [...this.#whole] : [];
    const counted = isOn ? [...this.#counted] : [];
    if (isOn && this.#seen !== null)
      for (const record of await readAnswers(repo, tip, { after: this.#seen, ...this.#large })) {
        whole.push(record);
        counted.push(countedOf(record));
      }
    else {
      const sinceMs = terms.serverNow() - REACH_MS;
      for await (const record of answersBackwards(repo, { to: tip, sinceMs, ...this.#large })) {
        if (whole.length < MAX_WHOLE) whole.push(record);
        if (counted.push(countedOf(record)) === MAX_COUNTED) break;
      }
      whole.reverse();
      counted.reverse();
    }
    this.#whole = whole.slice(-MAX_WHOLE);
    this.#counted = counted.slice(-MAX_COUNTED);
    this.#seen = tip;
  }
}

function countedOf(record: HistoryRecord): StatsRecord {
  const { created_at, asked_at, latency_ms, error, usage, cached, model, asker, agent } = record;
  const more = { ...(usage === undefined ? {} : { usage }), ...(cached === undefined ? {} : { cached }) };
  return { created_at, asked_at, latency_ms, error, model, asker, agent, ...more };
}
