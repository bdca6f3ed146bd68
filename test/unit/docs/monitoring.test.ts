import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { openMetrics } from '../../../src/gateway/metrics.js';
import { readRef } from '../../../src/git/refs.js';
import { startCalls } from '../gateway/calls-fixture.js';

const NO_TASKS = { pending: 0, running: 0, oldest_pending_at: null };

const docs = path.join(import.meta.dirname, '../../../docs');
const read = (file: string) => readFileSync(path.join(docs, file), 'utf8');

const dashboardSchema = z.object({
  panels: z
    .array(
      z.object({
        title: z.string(),
        gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
        targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).min(1),
      }),
    )
    .min(1),
});

const dashboard = () => dashboardSchema.parse(JSON.parse(read('monitoring/grafana.json')));

/** The names of our metrics in a text, without what a histogram adds to its own. */
function namesIn(text: string): Set<string> {
  const found = text.match(/llm_bridge_[a-z_]+/g) ?? [];
  return new Set(found.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
}

test('the page, the dashboard and the alerts name the metrics that the gateway has, and between them every one', async () => {
  const { calls } = await startCalls();
  const tip = (await readRef(calls.view.repo, calls.view.ref)) ?? '';
  const nothing = async () => ({ counts: NO_TASKS, agents: [], now: new Date().toISOString() });
  const { text } = await openMetrics(calls, nothing, { since: tip }).scrape();
  const known = new Set([...text.matchAll(/^# TYPE (llm_bridge_\w+)/gm)].map((found) => found[1] ?? ''));

  const shown = namesIn(
    dashboard()
      .panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
      .join('\n'),
  );
  expect([...namesIn(read('monitoring/alerts.yml'))].filter((name) => !known.has(name))).toEqual([]);
  expect([...shown].sort()).toEqual([...known].sort());
  expect([...namesIn(read('monitoring.md'))].sort()).toEqual([...known].sort());
});

test('no two panels of the dashboard lie on each other, and all are on its grid', () => {
  const taken = new Set<string>();
  for (const { title, gridPos } of dashboard().panels) {
    const { x, y, w, h } = gridPos;
    expect(x + w, title).toBeLessThanOrEqual(24);
    for (let column = x; column < x + w; column += 1)
      for (let row = y; row < y + h; row += 1) {
        expect(taken, title).not.toContain(`${column},${row}`);
        taken.add(`${column},${row}`);
      }
  }
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

test.skipIf(!hasPromtool)(
  'promtool takes the alerts, the configuration and every query of the dashboard',
  () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'promtool-'));
    const config = /<!-- promtool: config -->\n```yaml\n([\s\S]*?)```/.exec(read('monitoring.md'))?.[1] ?? '';
    const exprs = dashboard().panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    const queries = exprs.map((expr, index) => ({
      record: `dashboard:query${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    writeFileSync(path.join(folder, 'llm-bridge-alerts.yml'), read('monitoring/alerts.yml'));
    // YAML takes JSON.
    const rules = { groups: [{ name: 'dashboard', rules: queries }] };
    writeFileSync(path.join(folder, 'dashboard.yml'), JSON.stringify(rules));
    // The token is on the server that is scraped from, not here.
    const token = path.join(folder, 'token');
    writeFileSync(token, 'x');
    const here = config.replace('/etc/prometheus/llm-bridge.token', token);
    expect(here).toContain(token);
    writeFileSync(path.join(folder, 'prometheus.yml'), here);

    const check = (...args: string[]) =>
      execFileSync('promtool', ['check', ...args], { cwd: folder, encoding: 'utf8' });
    expect(check('config', 'prometheus.yml')).toContain('4 rules found');
    expect(check('rules', 'dashboard.yml')).toContain(`${exprs.length} rules found`);
  },
);

test.skipIf(!hasPromtool)('the alerts ring for what they are for, and for nothing else', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'promtool-'));
  writeFileSync(path.join(folder, 'alerts.yml'), read('monitoring/alerts.yml'));
  const at = 'instance="a",job="llm-bridge"';
  const series = (name: string, more: string, values: string) => ({
    series: `${name}{${at}${more}}`,
    values,
  });
  const rings = (alertname: string, eval_time: string, isRinging: boolean) => ({
    expr: `count(ALERTS{alertname="${alertname}",alertstate="firing"}) or vector(0)`,
    eval_time,
    exp_samples: [{ labels: '{}', value: isRinging ? 1 : 0 }],
  });
  // Values are in minutes: nobody is there for the first hour, then one is. A fifth of the second hour
  // fails.
  const tests = {
    rule_files: ['alerts.yml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: [
          series('up', '', '1x60 0x60'),
          series('llm_bridge_tasks_waiting', '', '3x60 0x60'),
          series('llm_bridge_agents', ',state="running"', '0x60 1x60'),
          series('llm_bridge_oldest_waiting_seconds', '', '0+120x60 0x60'),
          series('llm_bridge_tasks_answered_total', ',outcome="answered"', '0+1x120'),
          series('llm_bridge_tasks_answered_total', ',outcome="timeout"', '0x60 0+1x60'),
        ],
        promql_expr_test: [
          rings('LlmBridgeGatewayDown', '50m', false),
          rings('LlmBridgeGatewayDown', '70m', true),
          rings('LlmBridgeNobodyAnswers', '10m', false),
          rings('LlmBridgeNobodyAnswers', '20m', true),
          rings('LlmBridgeNobodyAnswers', '80m', false),
          rings('LlmBridgeTaskWaitsLong', '30m', false),
          rings('LlmBridgeTaskWaitsLong', '50m', true),
          rings('LlmBridgeManyErrors', '60m', false),
          rings('LlmBridgeManyErrors', '110m', true),
        ],
      },
    ],
  };
  writeFileSync(path.join(folder, 'tests.yml'), JSON.stringify(tests));

  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'tests.yml'], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(`${stdout}${stderr}`).toContain('SUCCESS');
  expect(status).toBe(0);
});
