import { mkdtemp, rm } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type DoctorOptions, doctorChecks } from '../../admin/doctor/doctor-checks.js';
import { runChecks } from '../../admin/doctor/finding.js';
import { type JoinOptions, join } from '../../admin/join/join.js';
import { plainName, profileFor } from '../../admin/join/profile-name.js';
import { planService } from '../../admin/service/plan-service.js';
import { pickBackendUrls } from '../../agent/backends/given-backends.js';
import { parseAddress } from '../../bridge/address.js';
import { profilesFile, readProfiles } from '../../bridge/profiles.js';
import { shellQuote } from '../../process/shell-quote.js';
import { askPerson } from '../ask-person.js';
import { type CommandIo, defineCommand } from '../command.js';
import { formatFinding } from '../format-finding.js';
import { camelCase, grouped, worded } from '../option.js';
import { BACKEND_URL_OPTIONS } from '../options/agent-options.js';
import { SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { EXIT, printProblem } from '../print-error.js';
import { installHere, thisMachine } from '../service-here.js';
import { serviceSettings } from '../service-options.js';
import { stopSignal } from '../stop-signal.js';

/** What join takes for the agent: doctor looks with it, and a service gets it. */
const AGENT_SETTINGS = [OPTIONS.backend, OPTIONS.model, OPTIONS.allowCloud, ...BACKEND_URL_OPTIONS] as const;

/** `llm-bridge join <address>` */
export const joinCommand = defineCommand({
  positionals: [POSITIONALS.address],
  options: [
    OPTIONS.joinedRole,
    OPTIONS.keyName,
    OPTIONS.profile,
    OPTIONS.via,
    OPTIONS.asService,
    worded(OPTIONS.wait, 'Do not wait until the key is let in: run it again then'),
    ...grouped('The agent:', AGENT_SETTINGS),
    ...SSH_OPTIONS,
  ],
  examples: [
    ['$0 join ssh://bridge@server/srv/llm-bridge/bridge.git', 'on the PC that is to answer'],
    ['$0 join bridge@server:/srv/llm-bridge/bridge.git --role asker --name bot', 'for a bot'],
    ['$0 join ssh://bridge@server/srv/llm-bridge/bridge.git --via you@server --service', 'all at once'],
  ],
  epilog: 'Stopped at any step, it goes on where it stood when it is run again.',
  async run(args, io, given) {
    const { out, env } = io;
    const signal = stopSignal();
    const host = hostOf(args.address);
    const { profile, identity } = await savedBy(args, host, io);
    const name = args.name ?? plainName(os.hostname(), args.role === 'agent' ? 'home-pc' : 'asker');
    const temporary = await mkdtemp(path.join(os.tmpdir(), 'llm-bridge-join-'));
    try {
      const options: JoinOptions = {
        ...{ repo: args.address, principal: { name, role: args.role }, profile, via: args.via },
        ...{ identity, acceptNewHostKey: args.acceptNewHostKey, wait: args.wait },
        ...{ env, temporary, signal },
        say: (text) => out.print(text),
        confirm: (question) => askPerson(question, signal),
        async paste(line, owner, check) {
          const who = owner === null ? 'as the owner of the bridge' : `as ${ownerOrRoot(owner)}`;
          await out.print(`now paste this on the server, ${who}:\n\n  ${line}\n`);
          if (owner !== null && owner !== 'root')
            process.stderr.write(
              `pasted, and still not let in? As root there, ${check} says what sshd lacks\n`,
            );
          if (args.wait) process.stderr.write('waiting until the key is let in …\n');
        },
      };
      const joined = await join(options);
      if (joined === null) {
        printProblem('the key is not let in yet', 'paste the line above on the server, then run this again');
        return EXIT.noAnswerYet;
      }
      const { repo } = joined;
      const { backend, model, allowCloud } = args;
      const agent = { model, allowCloud, ...pickBackendUrls(args) };
      const isSound = await examine(
        { repo, ssh: { identity: joined.identity }, role: args.role, order: backend, ...agent, env },
        io,
      );
      if (args.role === 'agent' && args.service) {
        // As they were typed: the command of the service reads them again.
        const typed = AGENT_SETTINGS.map(({ name }) => [camelCase(name), given[camelCase(name)]]);
        const settings = serviceSettings('agent', {
          ...Object.fromEntries(typed),
          identity: joined.identity,
        });
        const wish = {
          role: 'agent',
          repo,
          settings,
          words: [],
          isForMachine: false,
          isPrintOnly: false,
        } as const;
        await installHere(await planService(wish, thisMachine(env)), io);
      } else {
        const what = args.role === 'agent' ? 'agent' : 'ask "2+2"';
        await out.print(`next: llm-bridge ${what} --repo ${shellQuote(profile)}`);
      }
      return isSound ? EXIT.done : EXIT.failed;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  },
});

/** The name by which the bridge is saved, and its key, where that is known. */
async function savedBy(
  args: {
    readonly address: string;
    readonly profile?: string | undefined;
    readonly identity?: string | undefined;
  },
  host: string,
  { out, env }: CommandIo,
): Promise<{ readonly profile: string; readonly identity: string | undefined }> {
  if (args.profile !== undefined) return { profile: args.profile, identity: args.identity };
  const known = readProfiles(profilesFile(env));
  const wanted = plainName(host, 'bridge');
  const { name, before } = profileFor(known, wanted, args.address);
  const taken = known.profiles[wanted];
  if (before === null && taken !== undefined)
    await out.print(`${wanted} is another bridge here, ${taken.repo}: this one is called ${name}`);
  return { profile: name, identity: args.identity ?? before?.identity };
}

/** Runs doctor, and prints what is not in order. Returns whether nothing is broken. */
async function examine(
  options: Omit<DoctorOptions, 'fix' | 'generate' | 'now'>,
  { out }: CommandIo,
): Promise<boolean> {
  let isSound = true;
  let sound = 0;
  const checks = doctorChecks({ ...options, fix: false, generate: true, now: Date.now });
  for await (const finding of runChecks(checks)) {
    if (finding.status === 'broken') isSound = false;
    if (finding.status === 'ok') sound += 1;
    else await out.print(formatFinding(finding));
  }
  await out.print(`doctor: ${sound} checks are ok`);
  return isSound;
}

/** The users who may let a key in. Some people keep a bridge as root. */
function ownerOrRoot(owner: string): string {
  return owner === 'root' ? owner : `${owner} or root`;
}

function hostOf(address: string): string {
  const parsed = parseAddress(address);
  if (parsed.kind !== 'ssh') return '';
  const host = parsed.destination.split('@').at(-1) ?? '';
  return isIPv4(host) ? '' : (host.split(':', 1)[0] ?? '');
}
