import pc from 'picocolors';
import { type RecordRange, readRecords } from '../../log/read-records.js';
import { textOfAnswer } from '../../protocol/answer.js';
import { logRecordSchema, parseLogLine } from '../../protocol/log-record.js';
import { shortId } from '../../protocol/names.js';
import { oneLine, stripControls } from '../../protocol/printable.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge log --repo R` */
export const logCommand = defineCommand({
  options: [
    OPTIONS.repo,
    worded(OPTIONS.json, 'One line of JSON a record, as in answers.log'),
    OPTIONS.follow,
    OPTIONS.newest,
    OPTIONS.ofAsker,
    OPTIONS.ofModel,
    ...SSH_OPTIONS,
  ],
  examples: [
    ['$0 log -n 5 -f --repo /srv/llm-bridge/bridge.git', 'the last five, then each new one'],
    ['$0 log --asker bot --repo /srv/llm-bridge/bridge.git', 'what one of them asked'],
    ['$0 log --json --repo /srv/llm-bridge/bridge.git | jq -r .answer', 'for programs'],
  ],
  async run(args, { out, env }) {
    const records = readRecords(accessOf(args, env), {
      follow: args.follow,
      signal: stopSignal(),
      wanted: wantedBy(args),
      ...(args.number === undefined ? {} : { count: args.number }),
    });
    for await (const line of records) await (args.json ? out.jsonLine(line) : out.print(formatRecord(line)));
    return EXIT.done;
  },
});

/** Which records are shown; undefined: all, and also lines that are none. */
function wantedBy(filter: {
  readonly asker: string | undefined;
  readonly model: string | undefined;
}): RecordRange['wanted'] {
  const { asker, model } = filter;
  if (asker === undefined && model === undefined) return undefined;
  return (line) => {
    const read = parseLogLine(filterSchema, line);
    if (read === null) return false;
    return (asker === undefined || read.asker === asker) && (model === undefined || read.model === model);
  };
}

const filterSchema = logRecordSchema.pick({ asker: true, model: true });

/** What is shown of a record; one from history has no `seq` and no `ingested_at`. */
const shownSchema = logRecordSchema.partial({ seq: true, ingested_at: true });

/**
 * A record as a person reads it: a head line, the question, the answer. A line that is none is shown as it
 * is.
 */
function formatRecord(line: string): string {
  const record = parseLogLine(shownSchema, line);
  if (record === null) return `${stripControls(line)}\n`;
  const number = record.seq === undefined ? '' : `${record.seq}. `;
  const source = record.model === null ? 'no model' : `${record.model} via ${record.backend ?? '?'}`;
  const time = record.cached === true ? 'cached' : `${record.latency_ms} ms`;
  const head = [
    `${number}${shortId(record.task_commit)}`,
    record.created_at,
    `${source}, ${time}, by ${record.agent}`,
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
