import pc from 'picocolors';
import { type DoctorOptions, doctorChecks } from '../../admin/doctor/doctor-checks.js';
import { type Finding, runChecks } from '../../admin/doctor/finding.js';
import { pickBackendUrls, pickTokenFiles } from '../../agent/backends/given-backends.js';
import { stateDirIn } from '../../agent/state-folder.js';
import type { BridgeAccess } from '../../bridge/connection.js';
import { defineCommand } from '../command.js';
import { formatFinding } from '../format-finding.js';
import { grouped, worded } from '../option.js';
import { BACKEND_TOKEN_OPTIONS, BACKEND_URL_OPTIONS } from '../options/agent-options.js';
import { namedAccessesOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';

/** `llm-bridge doctor --repo R` */
export const doctorCommand = defineCommand({
  options: [
    OPTIONS.repos,
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
    ['$0 doctor --repo home --repo club', 'of two bridges, by the names that join gave them'],
    ['$0 doctor --fix --repo /srv/llm-bridge/bridge.git', 'after a crash of the server'],
  ],
  epilog: 'Exit code: 0 when all is ok or a warning, 1 when something is broken, 2 for wrong use.',
  async run(args, { out, env }) {
    const bridges = namedAccessesOf(args, env);
    const isOne = bridges.length === 1;
    const findings: (Finding & { readonly bridge?: string })[] = [];
    for (const [at, { name, access }] of bridges.entries()) {
      if (!isOne && !args.json) await out.print(pc.bold(name));
      for await (const finding of runChecks(doctorChecks(optionsFor(access, at)))) {
        findings.push(isOne ? finding : { ...finding, bridge: name });
        if (!args.json) await out.print(formatFinding(finding));
      }
    }
    if (args.json) await out.json(findings);
    return findings.some(({ status }) => status === 'broken') ? EXIT.failed : EXIT.done;

    function optionsFor({ repo, ssh = {} }: BridgeAccess, at: number): DoctorOptions {
      return {
        ...{ repo, ssh, role: args.role, authorizedKeysFile: args.authorizedKeys, fix: args.fix, env },
        // An agent of several bridges has a folder for each in that one.
        stateDir: isOne || args.stateDir === undefined ? args.stateDir : stateDirIn(args.stateDir, repo),
        ...{ order: args.backend, model: args.model, allowCloud: args.allowCloud },
        ...pickBackendUrls(args),
        ...pickTokenFiles(args),
        // The model servers are the same for all bridges: one word is enough.
        generate: args.generate && at === 0,
        now: Date.now,
      };
    }
  },
});
