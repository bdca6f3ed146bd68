import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { LargeMessages, MAX_FIGURES_BYTES } from '../log/large-messages.js';
import { type HistoryRecord, readAnswers } from '../log/read-answers.js';
import type { BridgeState } from './bridge-page.js';
import type { Calls } from './calls.js';

/** The metrics of a bridge, for Prometheus. */
export interface Metrics {
  /** The text of `/metrics`, as of now. Throws what reading the bridge throws. */
  scrape(): Promise<{ readonly text: string; readonly contentType: string }>;
  /** A client of this gateway got its first event this long after it called. */
  firstEvent(seconds: number): void;
}

/** Seconds: an answer takes from tenths of one to the days that a PC sleeps. */
const SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400];

/** The most series of answers. More help nobody, and each costs memory. */
const MAX_SERIES = 1_000;

const AGENT_STATES = ['running', 'stopped', 'gone'] as const;

const BY = ['model', 'agent', 'asker', 'outcome'] as const;

/**
 * Opens the metrics of a bridge, which count from `since` on, a commit of main. `state`: what is open now.
 * `bridge`: a label of all metrics, where there are several bridges; null for none. Answers are counted at a
 * scrape, from the commits that came since the last one, so a gateway that nobody scrapes does nothing.
 */
export function openMetrics(
  calls: Pick<Calls, 'view'>,
  state: () => Promise<Pick<BridgeState, 'counts' | 'agents' | 'now'>>,
  { since, bridge = null }: { readonly since: string; readonly bridge?: string | null },
): Metrics {
  const { view } = calls;
  const registry = new Registry();
  if (bridge !== null) registry.setDefaultLabels({ bridge });
  const of = { registers: [registry] };
  const waiting = new Gauge({
    ...of,
    name: 'llm_bridge_tasks_waiting',
    help: 'Tasks that no agent has taken',
  });
  const running = new Gauge({
    ...of,
    name: 'llm_bridge_tasks_running',
    help: 'Tasks that are being answered',
  });
  const oldest = new Gauge({
    ...of,
    name: 'llm_bridge_oldest_waiting_seconds',
    help: 'How long the oldest task waits that no agent has taken; 0 where none waits',
  });
  const agents = new Gauge({
    ...of,
    name: 'llm_bridge_agents',
    help: 'Agents that have said something of themselves, by what they are',
    labelNames: ['state'],
  });
  const answered = new Counter({
    ...of,
    name: 'llm_bridge_tasks_answered_total',
    help: 'Answers since the gateway started, errors included',
    labelNames: BY,
  });
  const tokens = new Counter({
    ...of,
    name: 'llm_bridge_tokens_total',
    help: 'Tokens of the answers since the gateway started, as model servers counted them',
    labelNames: ['model', 'kind'],
  });
  const wait = histogram('llm_bridge_wait_seconds', 'From the question to the answer');
  const duration = histogram('llm_bridge_duration_seconds', 'From the start of a task to its answer');
  const first = histogram('llm_bridge_first_event_seconds', 'From a call of a stream to its first event');
  const series = new Set<string>();
  const large = new LargeMessages(view, { maxBytes: MAX_FIGURES_BYTES });
  let last = since;
  let counting: Promise<void> | null = null;

  function histogram(name: string, help: string): Histogram {
    return new Histogram({ ...of, name, help, buckets: SECONDS });
  }

  function count(record: HistoryRecord): void {
    const outcome = record.error === null ? 'answered' : record.error.code;
    const labels = { model: record.model ?? '', agent: record.agent, asker: record.asker ?? '', outcome };
    const key = BY.map((name) => labels[name]).join('\n');
    if (series.size < MAX_SERIES) series.add(key);
    const isKnown = series.has(key);
    answered.inc(isKnown ? labels : { model: 'other', agent: 'other', asker: 'other', outcome: 'other' });
    const model = isKnown ? labels.model : 'other';
    tokens.inc({ model, kind: 'prompt' }, record.usage?.prompt_tokens ?? 0);
    tokens.inc({ model, kind: 'completion' }, record.usage?.completion_tokens ?? 0);
    duration.observe(record.latency_ms / 1000);
    if (record.asked_at === null) return;
    wait.observe(Math.max(0, Date.parse(record.created_at) - Date.parse(record.asked_at)) / 1000);
  }

  async function catchUp(): Promise<void> {
    const records = await readAnswers(view.repo, view.ref, { after: last, large });
    for (const record of records) count(record);
    last = records.at(-1)?.commit ?? last;
  }

  return {
    async scrape() {
      // Two at once would count the same answers twice.
      counting ??= catchUp().finally(() => {
        counting = null;
      });
      await counting;
      const { counts, agents: known, now } = await state();
      waiting.set(counts.pending);
      running.set(counts.running);
      const sinceMs = Date.parse(counts.oldest_pending_at ?? now);
      oldest.set(Math.max(0, (Date.parse(now) - sinceMs) / 1000));
      for (const one of AGENT_STATES)
        agents.set({ state: one }, known.filter((agent) => agent.state === one).length);
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
    firstEvent: (seconds) => first.observe(seconds),
  };
}

/** The metrics of the bridges of a gateway. Of several, one that cannot be read is left out. */
export async function scrapeAll(
  bridges: readonly Pick<Metrics, 'scrape'>[],
): Promise<{ readonly text: string; readonly contentType: string }> {
  const [only, ...others] = bridges;
  if (only !== undefined && others.length === 0) return await only.scrape();
  const scrapes = await Promise.allSettled(bridges.map((one) => one.scrape()));
  const texts = scrapes.flatMap((one) => (one.status === 'fulfilled' ? [one.value.text] : []));
  return { text: mergedText(texts), contentType: new Registry().contentType };
}

/**
 * The metrics of several bridges as one text: Prometheus wants the head of each metric once, and all its
 * lines together.
 */
function mergedText(texts: readonly string[]): string {
  const families = new Map<string, string[]>();
  for (const text of texts) {
    let lines: string[] = [];
    for (const line of text.split('\n')) {
      const name = /^# HELP (\S+) /.exec(line)?.[1];
      const known = name === undefined ? undefined : families.get(name);
      if (name !== undefined) {
        lines = known ?? [line];
        families.set(name, lines);
      } else if (line !== '' && !(line.startsWith('# ') && lines.includes(line))) lines.push(line);
    }
  }
  return `${[...families.values()].flat().join('\n')}\n`;
}
