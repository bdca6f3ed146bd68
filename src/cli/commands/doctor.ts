import type { CommandModule } from 'yargs';
import * as z from 'zod';
import type { Finding } from '../../protocol/finding.js';
import { runChecks } from '../../protocol/run-checks.js';
import type { ExitState } from '../exit-state.js';
import { formatFinding } from '../format-finding.js';
import { REPO_OPTION, readOptions, repoSchema } from '../options.js';
import { EXIT } from '../print-error.js';

const argsSchema = z.object({
  repo: repoSchema,
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
        .option('fix', {
          type: 'boolean',
          describe: 'Clear away what a killed git left behind, where nobody can be using it',
        })
        .option('json', { type: 'boolean', describe: 'Print one line of JSON: a list of findings' })
        .example('$0 doctor --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner of the bridge')
        .epilog('Exit code: 0 when all is ok or a warning, 1 when something is broken, 2 for wrong use.'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'doctor');
      const [{ serverChecks }, { parseAddress }] = await Promise.all([
        import('../../admin/doctor/server-checks.js'),
        import('../../remote/address.js'),
      ]);
      const address = parseAddress(args.repo);
      const findings: Finding[] = [];
      const checks = serverChecks({
        repoPath: address.url,
        env: process.env,
        fix: args.fix,
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
