import path from 'node:path';
import { readTerms } from '../../bridge/bridge-terms.js';
import { fetchFirst } from '../../bridge/clone.js';
import { type BridgeConnection, closeConnection } from '../../bridge/connection.js';
import type { SaidHello } from '../../bridge/read-hello.js';
import { runSsh, type SshConnection, type SshResult } from '../../bridge/run-ssh.js';
import { whoWorks } from '../../bridge/side-refs.js';
import { readSshPlan, type SshPlan } from '../../bridge/ssh-config.js';
import { TemporaryClone } from '../../bridge/temporary-clone.js';
import { REMOTE_PREFIX } from '../../git/fetch.js';
import { LARGE_BYTES } from '../../git/left-out.js';
import { readRemoteRef } from '../../git/porcelain.js';
import type { Hello } from '../../protocol/hello.js';
import { MAIN_REF, type Role } from '../../protocol/names.js';
import { judgeAgents } from './check-agents.js';
import { checkGit } from './check-git.js';
import {
  checkIdentity,
  judgeClock,
  judgeForcedCommand,
  judgeHostKey,
  judgeKey,
  judgeLoginTime,
  judgeProtocol,
  judgeRole,
  judgeRoom,
} from './check-login.js';
import { checkName, checkPort } from './check-reach.js';
import { formatName } from './check-repository.js';
import { checkSshVersion } from './check-ssh-version.js';
import { broken, type Check, ok, skipped, type Verdict } from './finding.js';

/** The settings for the checks of the way to a server. */
export interface RemoteCheckOptions {
  readonly connection: BridgeConnection;
  readonly identity?: string | undefined;
  /** The role of this machine there. Default: the role of the key. */
  readonly role?: Role | undefined;
  /** Called with the output of the forced command, as soon as it is known. */
  readonly onHello?: (hello: Hello) => void;
  readonly now: () => number;
}

/** Enough for a connect, a handshake on a slow link and a busy server. Milliseconds. */
const LOGIN_TIMEOUT_MS = 45_000;

/** The checks of the way to a remote bridge, in the order in which a connection is made. */
export function remoteChecks(options: RemoteCheckOptions): Check[] {
  const { connection } = options;
  const git: Check = { name: 'git', run: () => checkGit(connection.env) };
  const repository = (needs: string[]): Check => ({
    name: 'repository',
    needs,
    run: () => checkMain(connection),
  });
  const agents: Check = {
    name: 'agents',
    needs: ['repository', 'protocol'],
    run: () => checkAgents(connection),
  };
  return connection.ssh === null
    ? [git, repository(['git']), agents]
    : [git, ...sshChecks(connection.ssh, options), repository(['git', 'forced-command']), agents];
}

function sshChecks(connection: SshConnection, { identity, role, now, onHello }: RemoteCheckOptions): Check[] {
  const known: { plan?: SshPlan; login?: SshResult; said?: SaidHello; askedMs: number; heardMs: number } = {
    askedMs: 0,
    heardMs: 0,
  };
  const plan = () => known.plan ?? raise();
  const login = () => known.login ?? raise();
  const ofSaid = (judge: (said: SaidHello) => Verdict) => async () =>
    known.said === undefined
      ? skipped('skipped, because only the forced command says it')
      : judge(known.said);
  const ofHello = (judge: (hello: Hello) => Verdict) =>
    ofSaid((said) => ('hello' in said ? judge(said.hello) : raise()));
  const identityCheck: Check[] =
    identity === undefined
      ? []
      : [{ name: 'identity', run: async () => checkIdentity(path.resolve(identity), connection.env) }];
  return [
    { name: 'ssh', run: () => checkSshVersion(connection.env) },
    ...identityCheck,
    {
      name: 'name',
      needs: ['ssh'],
      async run() {
        const found = await readSshPlan(connection);
        const { destination, port } = connection.address;
        known.plan = found ?? {
          hostname: destination.replace(/^.*@/, ''),
          port: Number(port ?? 22),
          user: '',
          isProxied: false,
          knownHostsFile: null,
        };
        return checkName(known.plan);
      },
    },
    { name: 'port', needs: ['name'], run: () => checkPort(plan()) },
    {
      name: 'host-key',
      needs: ['port'],
      async run() {
        known.askedMs = now();
        known.login = await runSsh(connection, 'bridge-hello', { timeoutMs: LOGIN_TIMEOUT_MS, alone: true });
        known.heardMs = now();
        return judgeHostKey(known.login, connection, plan());
      },
    },
    { name: 'key', needs: ['host-key', 'identity'], run: async () => judgeKey(login(), connection) },
    { name: 'login-time', needs: ['key'], run: async () => judgeLoginTime(known.heardMs - known.askedMs) },
    {
      name: 'forced-command',
      needs: ['key'],
      run: async () =>
        judgeForcedCommand(login(), (said) => {
          known.said = said;
          if ('hello' in said) onHello?.(said.hello);
        }),
    },
    { name: 'protocol', needs: ['forced-command'], run: ofSaid(judgeProtocol) },
    { name: 'role', needs: ['protocol'], run: ofHello((hello) => judgeRole(hello, role)) },
    { name: 'disk', needs: ['protocol'], run: ofHello(judgeRoom) },
    {
      name: 'clock',
      needs: ['protocol'],
      run: ofHello((hello) => judgeClock(hello, known.askedMs, known.heardMs)),
    },
  ];
}

/** Checks whether git finds the bridge at the address, and its main. */
async function checkMain(connection: BridgeConnection) {
  const { url } = connection.address;
  const main = await readRemoteRef(connection.env, url, MAIN_REF);
  if (main === null) return broken(`${url} has no branch main`, 'on the server: llm-bridge init PATH');
  const ids = formatName(main.length === 64 ? 'sha256' : 'sha1');
  return ok(`main is at ${main.slice(0, 8)}, with ids of ${ids}`);
}

/** Fetches who is there, and only the tip of main: how many tasks wait is checked on the server. */
async function checkAgents(connection: BridgeConnection): Promise<Verdict> {
  const temporary = await TemporaryClone.open('doctor', connection.env, LARGE_BYTES);
  try {
    const terms = await readTerms(connection);
    const { repo: clone } = temporary;
    await fetchFirst(clone, connection.address.url, { depth: 1, sideRefs: true });
    const nowMs = terms.serverNow();
    const who = await whoWorks(clone, REMOTE_PREFIX, nowMs);
    return judgeAgents(who, { nowMs, takesClaims: terms.claimLeaseMs !== null, waiting: 0 });
  } finally {
    await closeConnection(connection);
    await temporary.close();
  }
}

function raise(): never {
  throw new Error('an earlier check did not say what this one needs');
}
