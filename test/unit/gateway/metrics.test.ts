import { chmod, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBridgePage } from '../../../src/gateway/bridge-page.js';
import { openHealth } from '../../../src/gateway/health.js';
import { openMetrics } from '../../../src/gateway/metrics.js';
import { readRef } from '../../../src/git/refs.js';
import { chat, startCalls } from './calls-fixture.js';

const NO_TASKS = { pending: 0, running: 0, oldest_pending_at: null };

/** The value of a series in the text for Prometheus; null where there is none. */
function sampleOf(text: string, series: string): number | null {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

async function started() {
  const fixture = await startCalls();
  const { view } = fixture.calls;
  const { state } = openBridgePage(fixture.calls);
  const metrics = openMetrics(fixture.calls, state, { since: (await readRef(view.repo, view.ref)) ?? '' });
  return { ...fixture, metrics, scrape: async () => (await metrics.scrape()).text };
}

test('what was answered is counted once, by model, agent, asker and outcome, with its times and tokens', async () => {
  const { calls, answer, scrape, metrics } = await started();
  const good = await calls.open(chat('2+2'));
  const bad = await calls.open(chat('3+3'));
  await calls.open(chat('4+4'));
  await answer(good.task, {
    ...{ created_at: new Date().toISOString(), latency_ms: 2000 },
    usage: { prompt_tokens: 7, completion_tokens: 3 },
  });
  await answer(bad.task, { answer: null, error: { code: 'timeout', message: 'too slow' } });
  metrics.firstEvent(0.3);

  for (const _twice of [1, 2]) {
    const text = await scrape();
    const by = 'model="llama3.2",agent="home-pc",asker="bot"';
    expect(sampleOf(text, `llm_bridge_tasks_answered_total{${by},outcome="answered"}`)).toBe(1);
    expect(sampleOf(text, `llm_bridge_tasks_answered_total{${by},outcome="timeout"}`)).toBe(1);
    expect(sampleOf(text, 'llm_bridge_tokens_total{model="llama3.2",kind="prompt"}')).toBe(7);
    expect(sampleOf(text, 'llm_bridge_tokens_total{model="llama3.2",kind="completion"}')).toBe(3);
    expect(sampleOf(text, 'llm_bridge_duration_seconds_count')).toBe(2);
    expect(sampleOf(text, 'llm_bridge_duration_seconds_bucket{le="1"}')).toBe(1);
    expect(sampleOf(text, 'llm_bridge_wait_seconds_count')).toBe(2);
    expect(sampleOf(text, 'llm_bridge_first_event_seconds_bucket{le="0.5"}')).toBe(1);
    expect(sampleOf(text, 'llm_bridge_tasks_waiting')).toBe(1);
    expect(sampleOf(text, 'llm_bridge_tasks_running')).toBe(0);
    expect(sampleOf(text, 'llm_bridge_oldest_waiting_seconds')).toBeGreaterThanOrEqual(0);
  }
});

test('answers of before are not counted, and two who ask at once do not count twice', async () => {
  const { calls, answer } = await started();
  const before = await calls.open(chat('1+1'));
  await answer(before.task);
  const { view } = calls;
  const since = (await readRef(view.repo, view.ref)) ?? '';
  const later = openMetrics(calls, async () => ({ counts: NO_TASKS, agents: [], now: '' }), { since });
  const next = await calls.open(chat('2+2'));
  await answer(next.task);

  const [first, second] = await Promise.all([later.scrape(), later.scrape()]);

  for (const { text } of [first, second]) expect(sampleOf(text, 'llm_bridge_duration_seconds_count')).toBe(1);
});

test('a bridge is ready while it can be written, and says why it is not', async () => {
  const { calls, bridge } = await startCalls();
  expect(await openHealth(calls)()).toBeNull();

  const main = join(bridge.gitDir, 'refs/heads/main');
  await rename(main, `${main}.away`);
  expect(await openHealth(calls)()).toBe('the bridge has no main');
  await rename(`${main}.away`, main);

  // Root may write anywhere.
  if (process.getuid?.() === 0) return;
  await chmod(join(bridge.gitDir, 'objects'), 0o500);
  expect(await openHealth(calls)()).toBe('the bridge cannot be written');
  await chmod(join(bridge.gitDir, 'objects'), 0o700);
});
