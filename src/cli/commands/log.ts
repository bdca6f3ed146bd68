import pc from 'picocolors';
import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { answerSchema } from '../../protocol/answer.js';
import { shortId } from '../../protocol/names.js';
import { oneLine, stripControls } from '../../protocol/printable.js';
import {
  numberOption,
  REPO_OPTION,
  readOptions,
  repoSchema,
  SSH_OPTIONS,
  sshArgs,
  sshOptionsOf,
} from '../options.js';
import type { ExitState } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  repo: repoSchema,
  ...sshArgs,
  json: z.boolean().default(false),
  follow: z.boolean().default(false),
  number: numberOption.int().min(0).optional(),
});

/** `llm-bridge log --repo R` */
export function logCommand(_exit: ExitState): CommandModule {
  return {
    command: 'log',
    describe: 'Print the answers so far, the oldest first',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'One line of JSON a record, as in answers.log' })
        .option('follow', {
          alias: 'f',
          type: 'boolean',
          describe: 'Then go on with new ones as they come, until Ctrl-C',
        })
        .option('number', {
          alias: 'n',
          type: 'number',
          requiresArg: true,
          describe: 'Only the newest so many. Default: all',
        })
        .options(SSH_OPTIONS)
        .example('$0 log -n 5 -f --repo /srv/llm-bridge/bridge.git', 'the last five, then each new one')
        .example('$0 log --json --repo /srv/llm-bridge/bridge.git | jq -r .answer', 'for programs'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'log');
      const { readRecords } = await import('../read-records.js');
      const records = readRecords({
        repo: args.repo,
        ssh: sshOptionsOf(args),
        follow: args.follow,
        signal: stopSignal(),
        ...(args.number === undefined ? {} : { count: args.number }),
      });
      for await (const line of records) process.stdout.write(args.json ? `${line}\n` : formatRecord(line));
    },
  };
}

/** What is shown of a record; one from history has no `seq`. */
const shownSchema = z.looseObject({ ...answerSchema.shape, seq: z.int().optional(), commit: z.string() });

/** A record as a person reads it: a head line, the question, the answer. A line that is none is shown as it is. */
export function formatRecord(line: string): string {
  const parsed = shownSchema.safeParse(parse(line));
  if (!parsed.success) return `${stripControls(line)}\n`;
  const record = parsed.data;
  const number = record.seq === undefined ? '' : `${record.seq}. `;
  const source = record.model === null ? 'no model' : `${record.model} via ${record.backend ?? '?'}`;
  const time = record.cached === true ? 'cached' : `${record.latency_ms} ms`;
  const head = [
    `${number}${shortId(record.task_commit)}`,
    record.created_at,
    `${source}, ${time}, by ${record.agent}`,
  ];
  const answer =
    record.error === null
      ? stripControls(record.answer ?? '')
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

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
