import { doctorChecks } from '../../admin/doctor/doctor-checks.js';
import { type Finding, runChecks } from '../../admin/doctor/finding.js';
import { pickBackendUrls, pickTokenFiles } from '../../agent/backends/given-backends.js';
import { defineCommand } from '../command.js';
import { formatFinding } from '../format-finding.js';
import { grouped, worded } from '../option.js';
import { BACKEND_TOKEN_OPTIONS, BACKEND_URL_OPTIONS } from '../options/agent-options.js';
import { SSH_OPTIONS, sshOf } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';

/** `llm-bridge doctor --repo R` */
export const doctorCommand = defineCommand({
  options: [
    OPTIONS.repo,
    OPTIONS.checkedRole,
    OPTIONS.fix,
    worded(OPTIONS.json, 'Print one line of JSON: a list of findings'),
    worded(OPTIONS.authorizedKeys, 'On the server: the file sshd reads'),
    ...grouped('The agent:', [
      OPTIONS.backend,
      OPTIONS.model,
      OPTIONS.allowCloud,
      ...BACKEND_URL_OPTIONS,
      ...BACKEND_TOKEN_OPTIONS,
      OPTIONS.stateDir,
      OPTIONS.generate,
    ]),
    ...SSH_OPTIONS,
  ],
  examples: [
    ['$0 doctor --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner of the bridge'],
    [
      '$0 doctor --repo ssh://bridge@server/srv/llm-bridge/bridge.git --identity ~/.ssh/llm-bridge',
      'on the PC: the way to the server, and the model',
    ],
    ['$0 doctor --fix --repo /srv/llm-bridge/bridge.git', 'after a crash of the server'],
  ],
  epilog: 'Exit code: 0 when all is ok or a warning, 1 when something is broken, 2 for wrong use.',
  async run(args, { out, env }) {
    const checks = doctorChecks({
      repo: args.repo,
      ssh: sshOf(args),
      role: args.role,
      authorizedKeysFile: args.authorizedKeys,
      fix: args.fix,
      env,
      stateDir: args.stateDir,
      order: args.backend,
      model: args.model,
      allowCloud: args.allowCloud,
      ...pickBackendUrls(args),
      ...pickTokenFiles(args),
      generate: args.generate,
      now: Date.now,
    });
    const findings: Finding[] = [];
    for await (const finding of runChecks(checks)) {
      findings.push(finding);
      if (!args.json) await out.print(formatFinding(finding));
    }
    if (args.json) await out.json(findings);
    return findings.some(({ status }) => status === 'broken') ? EXIT.failed : EXIT.done;
  },
});
