import pc from 'picocolors';
import type { AgentStatus, BridgeStatus, OpenTask, Waking } from '../admin/bridge-status.js';
import type { RecentFigures, Spread } from '../admin/recent-figures.js';
import type { OnAnswerStatus } from '../log/on-answer/state.js';
import { formatAge, formatDuration } from '../protocol/duration.js';
import { shortId } from '../protocol/names.js';
import { oneLine } from '../protocol/printable.js';
import { formatWaiting, formatWork } from './format-work.js';

/** How many names of models fit into a line. */
const MAX_MODELS_SHOWN = 4;

/** How many repairs are shown, the newest; `bridge/repairs.log` has all. */
const MAX_REPAIRS_SHOWN = 5;

/** The status as a person reads it. */
export function formatStatus(status: BridgeStatus): string {
  const counts = [
    `${status.pending.length + status.more_pending} pending`,
    ...(status.running.length === 0 ? [] : [`${status.running.length} running`]),
    `${status.answered} answered`,
    `${status.expired} expired`,
    ...(status.log_records === null ? [] : [`${status.log_records} in answers.log`]),
  ];
  const last = status.last_answer;
  const lines = [
    pc.bold(status.repo),
    `  ${counts.join(', ')} (the last ${formatDuration(status.task_ttl_ms)})`,
    ...formatProblem(status),
    ...formatRecent(status.recent),
    ...status.gateways.map(({ url, started_at }) => `  gateway: ${url} since ${started_at}`),
    ...status.agents.map((agent) => `  ${formatAgent(agent)}`),
    ...status.waking.map((one) => `  ${formatWaking(one, Date.parse(status.now))}`),
    ...(last === null ? [] : [`  last: ${oneLine(last.subject)}, by ${oneLine(last.agent)} at ${last.at}`]),
    ...(status.stale_locks ?? []).map(
      (lock) =>
        `  ${pc.red('left by a killed git')} since ${lock.since}: ${lock.path} (the next push clears it away)`,
    ),
    ...(status.repairs ?? [])
      .slice(-MAX_REPAIRS_SHOWN)
      .map(({ at, text }) => `  ${pc.yellow('put right')} at ${at}: ${oneLine(text)}`),
    ...(status.on_answer ?? []).flatMap((one) => [
      `  ${formatOnAnswer(one, status.log_records ?? 0)}`,
      ...formatSetAside(one),
    ]),
    ...status.running.map(
      (task) => `${formatOpen(task, pc.cyan)}  →  ${formatWork(task, Date.parse(status.now))}`,
    ),
    ...status.pending.map((task) => `${formatOpen(task, pc.yellow)}${waitsOf(task, Date.parse(status.now))}`),
    ...(status.more_pending === 0 ? [] : [`  … and ${status.more_pending} more wait (llm-bridge list)`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** Whom a task waits for, to stand behind it. */
function waitsOf(task: OpenTask, nowMs: number): string {
  const whom = formatWaiting(task, nowMs);
  return whom === '' ? '' : `  →  ${whom}`;
}

/** Says that nobody is there who could answer: that concerns every task that waits, and the next one. */
function formatProblem({ attendance: { problem, remedy } }: BridgeStatus): string[] {
  if (problem === null) return [];
  return [pc.yellow(`  warning: ${oneLine(problem)}`), `  try: ${oneLine(remedy ?? '')}`];
}

function formatOpen(task: OpenTask, colour: (text: string) => string): string {
  const age = formatAge(task.age_ms).padStart(9);
  return `  ${colour(shortId(task.task))} ${age}  ${oneLine(task.asker)}: ${oneLine(task.subject)}`;
}

/** `last 24 h: 12 answered, 1 error (8 %)`, and how long it took. */
function formatRecent(recent: RecentFigures): string[] {
  if (recent.answered === 0) return [];
  const share = Math.round(100 * (recent.error_rate ?? 0));
  const failed = recent.errors === 1 ? '1 error' : `${recent.errors} errors`;
  const errors = recent.errors === 0 ? 'no errors' : `${failed} (${share} %)`;
  const rate = recent.tokens_per_s === null ? '' : `, ${recent.tokens_per_s} tokens/s`;
  return [
    `  last ${recent.hours} h: ${recent.answered} answered, ${errors}`,
    ...(recent.wait_ms === null ? [] : [`    answer after    ${formatSpread(recent.wait_ms)}`]),
    ...(recent.generate_ms === null
      ? []
      : [`    generating for  ${formatSpread(recent.generate_ms)}${rate}`]),
  ];
}

function formatSpread({ median, p95 }: Spread): string {
  return `${formatAge(median)} (median), ${formatAge(p95)} (95 of 100)`;
}

/** `home-pc: running, seen 12 s ago, busy with 3f2a1b9c; ollama: llama3.2 (llm-bridge 0.1.0)`. */
function formatAgent(agent: AgentStatus): string {
  const seen = `seen ${formatAge(agent.age_ms)} ago`;
  const busy = agent.busy.length === 0 ? 'idle' : `busy with ${agent.busy.map(shortId).join(', ')}`;
  const state = agent.state === 'running' ? pc.green('running') : pc.yellow(agent.state);
  const doing = agent.state === 'running' ? `, ${busy}` : '';
  const { standby_after_ms: afterMs } = agent;
  const standby = afterMs === null ? '' : `, standby after ${formatDuration(afterMs)}`;
  const more = agent.models.length > MAX_MODELS_SHOWN ? ', …' : '';
  const models = agent.models.slice(0, MAX_MODELS_SHOWN).map(oneLine).join(', ');
  const from =
    agent.backends.length === 0 ? 'no model server' : `${agent.backends.join(' and ')}: ${models}${more}`;
  return `${pc.bold(agent.name)}: ${state}${standby}, ${seen}${doing}; ${from} (llm-bridge ${oneLine(agent.version)})`;
}

/** `pi: waking home-pc, for 12 s, for 3f2a1b9c`. */
function formatWaking({ by, agents, since, task }: Waking, nowMs: number): string {
  const whom = agents.length === 0 ? 'an agent' : agents.map(oneLine).join(', ');
  const time = formatAge(Math.max(0, nowMs - Date.parse(since)));
  return `${pc.bold(by)}: ${pc.cyan(`waking ${whom}`)}, for ${time}, for ${shortId(task)}`;
}

/** `on-answer telegram: ok`, or what is wrong with it. */
function formatOnAnswer(one: OnAnswerStatus, logRecords: number): string {
  const name = `on-answer ${oneLine(one.name)}`;
  const behind = one.last_seq === null ? 0 : Math.max(0, logRecords - one.last_seq);
  const waiting = behind === 0 ? '' : `, ${behind} not delivered yet`;
  const reason = oneLine(one.reason ?? '');
  if (one.state === 'refused') return pc.red(`${name} is not run: ${reason}`);
  if (one.state !== 'failing') return `${name}: ${one.state}${waiting}`;
  const again = one.next_try === null ? '' : `, again at ${one.next_try}`;
  const times = one.failures < 2 ? 'failed' : `failed ${one.failures} times`;
  return pc.red(`${name} ${times} (${reason})${waiting}${again}`);
}

/** The most records that are named; their number is always told. */
const MAX_ASIDE_SHOWN = 3;

/** `it did not take no. 17 (exit code 65: …); once it is mended: llm-bridge ingest --again telegram`. */
function formatSetAside({ name, set_aside: aside }: OnAnswerStatus): string[] {
  if (aside.length === 0) return [];
  const shown = aside
    .slice(-MAX_ASIDE_SHOWN)
    .map(({ seq, reason }) => `no. ${seq} (${oneLine(reason)})`)
    .join(', ');
  const more = aside.length > MAX_ASIDE_SHOWN ? `, and ${aside.length - MAX_ASIDE_SHOWN} before` : '';
  const again = `llm-bridge ingest --again ${name}`;
  return [pc.red(`    it did not take ${shown}${more}; once it is mended: ${again}`)];
}
