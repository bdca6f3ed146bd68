import pc from 'picocolors';
import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { TASK_STATES, type TaskRow, type TaskState } from '../../admin/list-tasks.js';
import { formatDuration } from '../../protocol/duration.js';
import { shortId } from '../../protocol/names.js';
import { oneLine } from '../../protocol/printable.js';
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

const argsSchema = z.object({
  repo: repoSchema,
  json: z.boolean().default(false),
  number: numberOption.int().min(0).default(20),
  state: z.enum(TASK_STATES).optional(),
  ...sshArgs,
});

/** `llm-bridge list --repo R` */
export function listCommand(_exit: ExitState): CommandModule {
  return {
    command: 'list',
    describe: 'List the tasks: pending, running and done',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('number', {
          alias: 'n',
          type: 'number',
          requiresArg: true,
          describe: 'Of those that are over, only the newest so many. Default: 20',
        })
        .option('state', {
          type: 'string',
          requiresArg: true,
          choices: TASK_STATES,
          describe: 'Only those',
        })
        .option('json', { type: 'boolean', describe: 'One line of JSON a task' })
        .options(SSH_OPTIONS)
        .example('$0 list --repo /srv/llm-bridge/bridge.git', 'all that wait, and the last 20 that do not')
        .example('$0 list --state pending --json --repo /srv/llm-bridge/bridge.git', 'for programs'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'list');
      const [{ listTasks, newestRows }, { whoWorks }, { openView }] = await Promise.all([
        import('../../admin/list-tasks.js'),
        import('../../bridge/side-refs.js'),
        import('../open-view.js'),
      ]);
      const view = await openView(args.repo, sshOptionsOf(args), 'window');
      try {
        const nowMs = view.serverNow();
        const all = await listTasks(view.repo, {
          ref: view.ref,
          nowMs,
          ttlMs: view.taskTtlMs,
          running: (await whoWorks(view.repo, view.sidePrefix, nowMs)).running,
        });
        const wanted = all.filter((row) => args.state === undefined || row.state === args.state);
        for (const row of newestRows(wanted, args.number))
          process.stdout.write(args.json ? `${JSON.stringify(row)}\n` : formatTaskRow(row, nowMs));
      } finally {
        await view.close();
      }
    },
  };
}

const COLOURS: Readonly<Record<TaskState, (text: string) => string>> = {
  pending: pc.yellow,
  running: pc.cyan,
  done: pc.green,
  error: pc.red,
  cancelled: pc.dim,
  expired: pc.dim,
};

/** A task on one line: `3f2a1b9c  done      12 s ago  bot: 2+2  →  4 (llama3.2 via ollama, 812 ms), by home-pc`. */
export function formatTaskRow(row: TaskRow, nowMs: number): string {
  const age = `${formatDuration(Math.max(0, nowMs - Date.parse(row.asked_at)))} ago`;
  const by = row.agent === null ? '' : `by ${oneLine(row.agent)}`;
  const outcome = [...(row.answer === null ? [] : [oneLine(row.answer)]), ...(by === '' ? [] : [by])].join(
    ', ',
  );
  const head = `${shortId(row.task)}  ${COLOURS[row.state](row.state.padEnd(9))}  ${age.padStart(10)}`;
  const question = `${oneLine(row.asker)}: ${oneLine(row.question)}`;
  return `${head}  ${question}${outcome === '' ? '' : `  →  ${outcome}`}\n`;
}
