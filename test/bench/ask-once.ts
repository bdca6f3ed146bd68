import type { LogRecord } from '../../src/protocol/log-record.js';
import { taskJsonSchema } from '../../src/protocol/task.js';
import type { Lab, LabBridge } from './lab.js';
import type { LogFollower } from './log-follower.js';

/** A question that went all the way. */
export interface Asked {
  readonly task: string;
  readonly record: LogRecord;
  /** Milliseconds since the epoch. */
  readonly askedAtMs: number;
  /** What the bridge added to the model's own time: `ingested_at - asked_at - latency_ms`. Milliseconds. */
  readonly overheadMs: number;
}

/** Asks by the built program on the server, as a bot there does, and waits for the line in the log. */
export async function askOnce(
  lab: Lab,
  bridge: LabBridge,
  log: LogFollower,
  question: string,
): Promise<Asked> {
  const { stdout } = await lab.program(['ask', question, '--no-wait', '--repo', bridge.repoPath]);
  const task = stdout.trim();
  const record = await log.recordOf(task);
  const text = await lab.git(bridge.repoPath, ['cat-file', 'blob', `${task}:task.json`]);
  const askedAtMs = Date.parse(taskJsonSchema.parse(JSON.parse(text)).asked_at ?? '');
  const overheadMs = Date.parse(record.ingested_at) - askedAtMs - record.latency_ms;
  return { task, record, askedAtMs, overheadMs };
}
