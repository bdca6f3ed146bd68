import { type HelloOrVersion, readHello, type SaidHello } from '../../bridge/read-hello.js';
import type { SshConnection, SshResult } from '../../bridge/run-ssh.js';
import { otherProtocol } from '../../bridge/say-hello.js';
import type { SshPlan } from '../../bridge/ssh-config.js';
import { classifyGitFailure, QUIET_SHELL } from '../../git/git-failure.js';
import { firstWords, gitMeant } from '../../git/git-meaning.js';
import { faultOfKeyFile, hasPassphrase } from '../../git/key-file.js';
import { shellQuote } from '../../process/shell-quote.js';
import type { BridgeErrorCode } from '../../protocol/bridge-error.js';
import { formatDuration } from '../../protocol/duration.js';
import type { Hello } from '../../protocol/hello.js';
import { MAX_CLOCK_AHEAD_MS } from '../../protocol/limits.js';
import { PROTOCOL_VERSION, type Role } from '../../protocol/names.js';
import { oneLine } from '../../protocol/printable.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * Checks the file given with `--identity`: it is a private key that ssh can use without asking anybody.
 * `env` tells whether an ssh-agent may hold it.
 */
export function checkIdentity(file: string, env: NodeJS.ProcessEnv): Verdict {
  const fault = faultOfKeyFile(file);
  if (fault !== null) return broken(`${file} ${fault.what}`, fault.remedy);
  if (!hasPassphrase(file) || env.SSH_AUTH_SOCK) return ok(file);
  const quoted = shellQuote(file);
  return broken(
    `${file} has a passphrase, and there is nobody to type it and no ssh-agent`,
    `ssh-add ${quoted} in a running ssh-agent, or a key of its own for the bridge: ssh-keygen -p -f ${quoted}`,
  );
}

/** The connection ended before or after the host key, for another reason. */
const NO_WAY_THERE: readonly BridgeErrorCode[] = ['unreachable', 'connection-broke', 'ssh-host'];

/** Judges from a login attempt whether the host key is known. */
export function judgeHostKey(result: SshResult, connection: SshConnection, plan: SshPlan): Verdict {
  const { stderr } = result;
  const host = plan.port === 22 ? plan.hostname : `[${plan.hostname}]:${plan.port}`;
  const port = plan.port === 22 ? '' : `-p ${plan.port} `;
  if (gitMeant('host-key-changed', stderr)) {
    const file = plan.knownHostsFile === null ? '' : ` -f ${shellQuote(plan.knownHostsFile)}`;
    return broken(
      `the host key of ${host} has changed: the server was set up again, or somebody else answers in its place`,
      `only if you know why: ssh-keygen -R ${shellQuote(host)}${file}`,
    );
  }
  if (gitMeant('host-key-unknown', stderr)) {
    return broken(
      `the host key of ${host} is not known here`,
      `ssh ${port}${shellQuote(connection.address.destination)}, and compare with what the server says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`,
    );
  }
  // Any other failure is before or after the host key.
  const failure = result.exitCode === 255 ? classifyGitFailure('connect', stderr) : null;
  if (failure !== null && NO_WAY_THERE.includes(failure.code)) return broken(failure.message, failure.remedy);
  return ok(`the host key of ${host} is known`);
}

/** Judges from the attempt whether the key was accepted. */
export function judgeKey(result: SshResult, connection: SshConnection): Verdict {
  const failure = result.exitCode === 255 ? classifyGitFailure('log in', result.stderr) : null;
  if (failure === null) return ok(`the server lets the key in as ${connection.address.destination}`);
  return broken(failure.message, failure.remedy);
}

/**
 * Judges from the attempt whether the key has a bridge's forced command, and passes its output to `found`. A
 * missing one is claimed only where a shell has looked for `bridge-hello` as for a program.
 */
export function judgeForcedCommand(result: SshResult, found: (said: SaidHello) => void): Verdict[] {
  if (gitMeant('server-refused', result.stderr)) {
    const { message, remedy } = classifyGitFailure('bridge-hello', result.stderr);
    return [broken(message, remedy)];
  }
  const said = readHello(result.stdout);
  if (said !== null) {
    const { printed } = said;
    found(said);
    const known = ok('other' in said ? 'a bridge answers' : `the key is ${said.hello.name}`);
    if (printed === null) return [known];
    const text = `a start-up file of the server's shell prints ${JSON.stringify(printed)}, which git takes for its own protocol`;
    return [known, broken(text, QUIET_SHELL)];
  }
  if (result.exitCode === NO_SUCH_COMMAND || gitMeant('no-such-command', result.stderr)) {
    return [
      warning(
        'this key opens a login of its own: it lacks the forced command of a bridge, so it may do whatever its user may, and nothing rings',
        'on the server: llm-bridge key add <name> --role agent|asker --key FILE.pub --repo PATH; here: --identity FILE',
      ),
    ];
  }
  const words = oneLine(
    `${result.stdout.slice(0, TOLD_CHARS)} ${firstWords(result.stderr).slice(0, TOLD_CHARS)}`,
  );
  return [
    warning(
      `bridge-hello is not answered as a bridge does: ${words === '' ? `exit code ${result.exitCode} and no word` : JSON.stringify(words)}`,
      `another git host is used without a doorbell; for a bridge, ${QUIET_SHELL}`,
    ),
  ];
}

/** How a shell says that there is no such program. */
const NO_SUCH_COMMAND = 127;

/** The most characters of each output that are told. */
const TOLD_CHARS = 80;

/** Whether both sides speak the same protocol. */
export function judgeProtocol(said: HelloOrVersion): Verdict {
  if (!('other' in said)) return ok(`both speak protocol ${PROTOCOL_VERSION}`);
  const { message, remedy } = otherProtocol(said.other);
  return broken(message, remedy);
}

/** Whether the key may do what this machine is for; without `expected`, every role will do. */
export function judgeRole(hello: Hello, expected: Role | undefined): Verdict {
  const may = hello.role === 'agent' ? 'answer, and cannot ask' : 'ask, and cannot answer';
  if (expected === undefined || expected === hello.role)
    return ok(`${hello.name} is an ${hello.role}: it may ${may}`);
  return broken(
    `the key ${hello.name} has the role ${hello.role}: it may ${may}`,
    `use a key of the role ${expected}; on the server: llm-bridge key add <name> --role ${expected} --key FILE.pub --repo PATH`,
  );
}

/** Whether a push can be written there. An older server does not say it, and git does at the next push. */
export function judgeRoom({ writable = true }: Hello): Verdict {
  if (writable) return ok('the server does not say that its disk is full');
  return broken(
    'the server cannot write: its disk is full, or the bridge may not be written to',
    'on the server: llm-bridge doctor',
  );
}

/** NTP never leaves such a difference. A smaller one only makes times in `status` inexact. Milliseconds. */
const CLOCK_WARN_MS = 10_000;

/**
 * Whether the clocks agree. `askedMs` and `heardMs` are our times of the question and of the server's
 * answer.
 */
export function judgeClock(hello: Hello, askedMs: number, heardMs: number): Verdict {
  const saidMs = Date.parse(hello.time);
  // Without fractions of a second, the time of the server is rounded down.
  const aheadMs = saidMs > heardMs ? saidMs - heardMs : Math.min(0, saidMs + 1000 - askedMs);
  const off = Math.abs(aheadMs);
  if (off < CLOCK_WARN_MS) return ok('the clocks agree');
  const text = `the clock of the server is ${formatDuration(off)} ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  const remedy = 'on both: timedatectl status; on the one that is wrong: sudo timedatectl set-ntp true';
  return off > MAX_CLOCK_AHEAD_MS ? broken(text, remedy) : warning(text, remedy);
}

/**
 * A login takes a few round trips and the start of a shell. A longer one slows every push down.
 * Milliseconds.
 */
const LOGIN_WARN_MS = 5_000;

/**
 * Whether a login is fast. sshd starts the forced command by the user's login shell, which reads its
 * start-up files first.
 */
export function judgeLoginTime(tookMs: number): Verdict {
  const took = formatDuration(tookMs);
  return tookMs < LOGIN_WARN_MS
    ? ok(`a login takes ${took}`)
    : warning(
        `a login takes ${took}`,
        'on the server: see what the start-up files of the user do (~/.bashrc), and "UseDNS no" in sshd_config',
      );
}
