import pc from 'picocolors';
import { sameModel } from '../../agent/backends/same-model.js';
import { readRecords } from '../../log/read-records.js';
import { wantedBy } from '../../log/record-filter.js';
import { lookAhead } from '../../log/walk-answers.js';
import { textOfAnswer } from '../../protocol/answer.js';
import { logRecordSchema, parseLogLine } from '../../protocol/log-record.js';
import { shortId } from '../../protocol/names.js';
import { oneLine, stripControls } from '../../protocol/printable.js';
import { defineCommand } from '../command.js';
import { localTime } from '../local-time.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { SHOWN_ON_TERMINAL } from '../options/log-options.js';
import { OPTIONS } from '../options.js';
import type { Output } from '../output.js';
import { paged } from '../pager.js';
import { EXIT, printWarning } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge log --repo R` */
export const logCommand = defineCommand({
  options: [
    OPTIONS.repo,
    worded(OPTIONS.json, 'One line of JSON a record, as in answers.log'),
    OPTIONS.follow,
    OPTIONS.newest,
    OPTIONS.grep,
    OPTIONS.since,
    OPTIONS.until,
    OPTIONS.ofAsker,
    OPTIONS.ofAgent,
    OPTIONS.ofModel,
    OPTIONS.ofStatus,
    OPTIONS.pager,
    ...SSH_OPTIONS,
  ],
  examples: [
    ['$0 log -n 5 -f --repo /srv/llm-bridge/bridge.git', 'the last five, then each new one'],
    ['$0 log --asker bot --since yesterday --repo /srv/llm-bridge/bridge.git', 'what one of them asked'],
    ['$0 log --grep recipe --since "3 months ago" --repo …', 'what was said of recipes'],
    ['$0 log --json --repo /srv/llm-bridge/bridge.git | jq -r .answer', 'for programs'],
  ],
  epilog:
    'On a terminal a pager shows it: the first that is set of LLM_BRIDGE_PAGER, GIT_PAGER and PAGER, else less ("cat" or nothing: none), and times are of this machine; elsewhere, and in JSON, of UTC.',
  async run(args, { out, env }) {
    const { since, until, asker, agent, model, status } = args;
    const filter = { sinceMs: since, untilMs: until, texts: args.grep, asker, agent, model, status };
    const isForPerson = out.isTerminal && !args.json;
    const count = args.number ?? (isForPerson ? SHOWN_ON_TERMINAL : undefined);
    const isPaged = isForPerson && args.pager && !args.follow;
    const records = readRecords(accessOf(args, env), {
      follow: args.follow,
      // In a pager Ctrl-C is a key of the pager.
      signal: isPaged ? new AbortController().signal : stopSignal(),
      wanted: wantedBy(filter, sameModel),
      sinceMs: since,
      isForPerson: !args.json,
      onProblem: ({ message, remedy }) => printWarning(`${message}; trying again until it works`, remedy),
      ...(count === undefined ? {} : { count }),
    });
    const time = isForPerson ? localTime : (iso: string) => iso;
    const print = (lines: AsyncIterable<string>) => async (to: Output) => {
      for await (const line of lines)
        await (args.json ? to.jsonLine(line) : to.print(formatRecord(line, time)));
    };
    // A pager takes the screen, so it starts only once there is something to show, and reading has not
    // failed.
    if (isPaged) await paged(out, env, print((await lookAhead(records, 0)).all));
    else await print(records)(out);
    return EXIT.done;
  },
});

/** The fields of a record; one from history has no `seq` and no `ingested_at`. */
const shownSchema = logRecordSchema.partial({ seq: true, ingested_at: true });

/**
 * A record as a person reads it: a head line, the question, the answer. A line that is no record is shown as
 * it is, without control characters.
 */
function formatRecord(line: string, time: (iso: string) => string): string {
  const record = parseLogLine(shownSchema, line);
  if (record === null) return `${stripControls(line)}\n`;
  const number = record.seq === undefined ? '' : `${record.seq}. `;
  const source = record.model === null ? 'no model' : `${record.model} via ${record.backend ?? '?'}`;
  const took = record.cached === true ? 'cached' : `${record.latency_ms} ms`;
  const head = [
    `${number}${shortId(record.task_commit)}`,
    time(record.created_at),
    `${source}, ${took}, by ${record.agent}`,
    ...(record.asker === null ? [] : [`for ${record.asker}`]),
  ];
  const answer =
    record.error === null
      ? stripControls(textOfAnswer(record))
      : `error ${record.error.code}: ${record.error.message}`;
  return [
    pc.yellow(head.map(oneLine).join('  ')),
    ...(record.task_text === undefined ? [] : [indent(pc.dim(stripControls(record.task_text.trimEnd())))]),
    indent(record.error === null ? answer : pc.red(oneLine(answer))),
    '',
    '',
  ].join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
