import pc from 'picocolors';
import { sameModel } from '../../agent/backends/same-model.js';
import type { BridgeAccess } from '../../bridge/connection.js';
import {
  type AnswerFigures,
  answerStats,
  STATS_KEYS,
  type StatsKey,
  type StatsRecord,
} from '../../log/answer-stats.js';
import { readRecords } from '../../log/read-records.js';
import { wantedBy } from '../../log/record-filter.js';
import { logRecordSchema, parseLogLine } from '../../protocol/log-record.js';
import { oneLine } from '../../protocol/printable.js';
import { defineCommand } from '../command.js';
import { localTime } from '../local-time.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge stats --repo R` */
export const statsCommand = defineCommand({
  options: [
    OPTIONS.repo,
    OPTIONS.statsBy,
    OPTIONS.since,
    OPTIONS.until,
    worded(OPTIONS.json, 'Print all of it as one line of JSON; its days are of UTC'),
    ...SSH_OPTIONS,
  ],
  examples: [
    [
      '$0 stats --since "1 month ago" --repo /srv/llm-bridge/bridge.git',
      'who asked how much, and how fast it was',
    ],
    ['$0 stats --by model --repo …', 'of the models alone'],
  ],
  epilog: 'Errors are among the answers. The wait is from question to answer; days are of this machine.',
  async run(args, { out, env }) {
    const stats = await answerStats(
      countedRecords(accessOf(args, env), { sinceMs: args.since, untilMs: args.until }),
      (iso) => (args.json ? iso : localTime(iso)).slice(0, 10),
    );
    if (args.json) {
      await out.json(stats);
      return EXIT.done;
    }
    await out.print(`${pc.bold('all')}\n${formatRows([{ name: '', ...stats }])}`);
    for (const key of args.by === undefined ? STATS_KEYS : [args.by])
      await out.print(`\n${pc.bold(`by ${key}`)}\n${formatRows(stats.by[key].map(withName(key)))}`);
    return EXIT.done;
  },
});

const countedSchema = logRecordSchema.pick({
  ...{ created_at: true, asked_at: true, latency_ms: true, error: true, usage: true, cached: true },
  ...{ model: true, asker: true, agent: true },
});

/** The records of a bridge, one at a time. */
async function* countedRecords(
  access: BridgeAccess,
  range: { readonly sinceMs: number | undefined; readonly untilMs: number | undefined },
): AsyncGenerator<StatsRecord> {
  const wanted = wantedBy(range, sameModel);
  const lines = readRecords(access, {
    ...{ follow: false, signal: stopSignal(), wanted, sinceMs: range.sinceMs },
    isForPerson: true,
  });
  for await (const line of lines) {
    const record = parseLogLine(countedSchema, line);
    if (record !== null) yield record;
  }
}

/** A record may have no model, or no asker. */
function withName(key: StatsKey) {
  return <Row extends { readonly name: string | null }>(row: Row) => ({
    ...row,
    name: row.name ?? `no ${key}`,
  });
}

/** A line each: `  llama3.2:latest   12 answers   1 error   3456 tokens   wait 4.2 s   35.1 tokens/s`. */
function formatRows(rows: readonly (AnswerFigures & { readonly name: string })[]): string {
  if (rows.length === 0) return '  nothing was answered';
  const cells = rows.map(({ name, answers, errors, tokens, wait_s, tokens_per_s }) => [
    oneLine(name),
    `${answers} ${answers === 1 ? 'answer' : 'answers'}`,
    `${errors} ${errors === 1 ? 'error' : 'errors'}`,
    `${tokens} ${tokens === 1 ? 'token' : 'tokens'}`,
    wait_s === null ? '' : `wait ${wait_s} s`,
    tokens_per_s === null ? '' : `${tokens_per_s} tokens/s`,
  ]);
  const widths = cells[0]?.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0))) ?? [];
  return cells
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('   ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}
