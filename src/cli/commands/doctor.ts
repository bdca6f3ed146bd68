import pc from 'picocolors';
import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { type Finding, type FindingStatus, runChecks } from '../../admin/doctor/finding.js';
import { roleSchema } from '../../protocol/names.js';
import { oneLine } from '../../protocol/printable.js';
import { BACKEND_OPTIONS, backendArgs } from '../backend-options.js';
import { REPO_OPTION, readOptions, repoSchema, SSH_OPTIONS, sshArgs, sshOptionsOf } from '../options.js';
import { EXIT, type ExitState } from '../print-error.js';

const argsSchema = z.object({
  repo: repoSchema,
  ...sshArgs,
  ...backendArgs,
  role: roleSchema.optional(),
  authorizedKeys: z.string().min(1).optional(),
  generate: z.boolean().default(true),
  noGenerate: z.boolean().default(false),
  fix: z.boolean().default(false),
  json: z.boolean().default(false),
});

/** `llm-bridge doctor --repo R` */
export function doctorCommand(exit: ExitState): CommandModule {
  return {
    command: 'doctor',
    describe: 'Find what is wrong, and say what to do about it',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('role', {
          choices: ['agent', 'asker'] as const,
          describe: 'What this machine is to do. Default: what its key may do',
        })
        .option('fix', {
          type: 'boolean',
          describe: 'Clear away what a killed git left behind, where nobody can be using it',
        })
        .option('json', { type: 'boolean', describe: 'Print one line of JSON: a list of findings' })
        .option('authorized-keys', {
          type: 'string',
          requiresArg: true,
          describe: 'On the server: the file sshd reads. Default: ~/.ssh/authorized_keys',
        })
        .options(BACKEND_OPTIONS)
        // As with --no-wait of ask: both are declared, one is shown.
        .option('generate', { type: 'boolean', hidden: true, group: 'The agent:' })
        .option('no-generate', {
          type: 'boolean',
          describe: 'Do not let the model say a word',
          group: 'The agent:',
        })
        .options(SSH_OPTIONS)
        .example('$0 doctor --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner of the bridge')
        .example(
          '$0 doctor --repo ssh://bridge@server/srv/llm-bridge/bridge.git --identity ~/.ssh/llm-bridge',
          'on the PC: the way to the server, and the model',
        )
        .example('$0 doctor --fix --repo /srv/llm-bridge/bridge.git', 'after a crash of the server')
        .epilog('Exit code: 0 when all is ok or a warning, 1 when something is broken, 2 for wrong use.'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'doctor');
      const { doctorChecks } = await import('../../admin/doctor/doctor-checks.js');
      const findings: Finding[] = [];
      const checks = doctorChecks({
        repo: args.repo,
        ssh: sshOptionsOf(args),
        role: args.role,
        authorizedKeysFile: args.authorizedKeys,
        fix: args.fix,
        env: process.env,
        stateDir: args.stateDir,
        order: args.backend,
        model: args.model,
        ollamaUrl: args.ollamaUrl,
        lmstudioUrl: args.lmstudioUrl,
        generate: args.generate && !args.noGenerate,
        now: Date.now,
      });
      for await (const finding of runChecks(checks)) {
        findings.push(finding);
        if (finding.status === 'broken') exit.code = EXIT.failed;
        if (!args.json) process.stdout.write(formatFinding(finding));
      }
      if (args.json) process.stdout.write(`${JSON.stringify(findings)}\n`);
    },
  };
}

const COLOURS: Record<FindingStatus, (text: string) => string> = {
  ok: pc.green,
  warning: pc.yellow,
  broken: pc.red,
  skipped: pc.dim,
};

/** A finding as a person reads it: one line, and one more with the remedy. */
export function formatFinding({ check, status, text, remedy }: Finding): string {
  const lines = [`${COLOURS[status](status.padEnd(7))}  ${check}: ${oneLine(text)}`];
  if (remedy !== null) lines.push(`         try: ${oneLine(remedy)}`);
  return `${lines.join('\n')}\n`;
}
