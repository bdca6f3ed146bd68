import { BridgeError } from '../protocol/bridge-error.js';
import { stripControls } from '../protocol/printable.js';

interface Failure {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** Whether waiting may help: the network, a server that restarts. */
  readonly retryable: boolean;
}

/** What the system says of a disk without room, ours or the server's; of a ref that it could not write git leaves the reason out. */
export const DISK_FULL = /No space left on device|Disk quota exceeded|couldn't write '[^']*\.lock'/;

/** What git and ssh say when the other side cannot be reached or says no. Matched in order against English text. */
const FAILURES: readonly Failure[] = [
  {
    pattern:
      /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No \S+ host key is known for/,
    code: 'ssh-host-key',
    message: "the server's host key is unknown or has changed",
    remedy: 'compare the fingerprint with the server\'s own, then connect once with plain "ssh" to accept it',
    retryable: false,
  },
  {
    // ssh warns of a missing file whatever happens next; only a refused login is due to it.
    pattern: /(?:Identity file .* not accessible|no such identity)[\s\S]*Permission denied \(/i,
    code: 'ssh-identity',
    message: 'the SSH identity file cannot be read',
    remedy: 'check the path given with --identity',
    retryable: false,
  },
  {
    pattern: /Permission denied \(|Too many authentication failures/i,
    code: 'ssh-auth',
    message: 'the server did not accept the SSH key',
    remedy: 'name the key with --identity FILE, and on the server add its .pub with "llm-bridge key add"',
    retryable: false,
  },
  {
    pattern: /Could not resolve host/,
    code: 'ssh-host',
    message: 'the name of the server cannot be resolved',
    remedy: 'check the host in --repo, and whether this machine is online',
    retryable: true,
  },
  {
    pattern:
      /Connection (refused|timed out|reset|closed)|No route to host|Network is unreachable|Operation timed out|Broken pipe|kex_exchange_identification|banner exchange|Timeout, server .* not responding|lost connection|client_loop: send disconnect/i,
    code: 'unreachable',
    message: 'the server cannot be reached',
    remedy: 'check host and port in --repo, and whether the server and the network are up',
    retryable: true,
  },
  {
    // The forced command's own words. Behind `remote:` it is a hook that speaks, of a push that may well have gone through.
    pattern: /^llm-bridge: (.*)/m,
    code: 'refused',
    message: 'the server refused',
    remedy:
      'check --repo against the path of the bridge on the server, and the role of the key ("llm-bridge key list")',
    retryable: false,
  },
  {
    pattern: /does not appear to be a git repository|not a git repository|Repository not found/i,
    code: 'no-such-repository',
    message: 'there is no bridge at that address',
    remedy: 'check the path in --repo; "llm-bridge init" makes a bridge',
    retryable: false,
  },
  {
    pattern: /couldn't find remote ref|unknown revision.*main/i,
    code: 'no-main',
    message: 'the repository has no branch main',
    remedy: 'run "llm-bridge init" on it',
    retryable: false,
  },
  {
    pattern: /detected dubious ownership/,
    code: 'other-owner',
    message: 'the repository belongs to another user',
    remedy: 'come in over SSH with a key of your own ("llm-bridge key add"), or run this as the owner',
    retryable: false,
  },
  {
    pattern: DISK_FULL,
    code: 'disk-full',
    message: 'a disk is full, or cannot be written',
    remedy: 'free some space; nothing is lost, it goes on by itself',
    retryable: true,
  },
  {
    pattern:
      /The remote end hung up|early EOF|unexpected disconnect|Could not read from remote|index-pack failed/,
    code: 'unreachable',
    message: 'the connection to the server broke',
    remedy: 'check the network; on the server, the log of sshd',
    retryable: true,
  },
];

/** What ssh says where it could not ride on a shared connection. It makes one of its own then, and says what became of that. */
const SHARING_NOISE = /^(?:mux_client_\w+: |Control ?[Ss]ocket ).*$/gm;

/**
 * The one place that tells what git meant. `what` names the step (`fetch from ssh://…`). What matches nothing is
 * `git-failed` and retryable: a server can fail in ways no table knows, and a waiting agent must outlive them.
 */
export function classifyGitFailure(what: string, output: string): BridgeError {
  const stderr = output.replace(SHARING_NOISE, '');
  const failure = FAILURES.find((one) => one.pattern.test(stderr));
  if (failure?.code === 'refused')
    return serverRefused(what, failure, failure.pattern.exec(stderr)?.[1] ?? '');
  const said = stripControls(lastLine(stderr));
  if (failure === undefined) {
    return new BridgeError(`${what} failed: ${said || 'git said nothing'}`, {
      code: 'git-failed',
      remedy:
        'look at the message of git above; "llm-bridge status --repo …" tells whether the bridge answers',
      retryable: true,
    });
  }
  return new BridgeError(`${what}: ${failure.message}${said === '' ? '' : ` (${said})`}`, failure);
}

/** The forced command's own words: `what is wrong; try: what to do`. */
function serverRefused(what: string, failure: Failure, said: string): BridgeError {
  const [text = '', remedy = failure.remedy] = stripControls(said).split('; try: ');
  return new BridgeError(`${what}: ${failure.message}: ${text.trim()}`, {
    ...failure,
    remedy: remedy.trim(),
  });
}

/** The last line that tells something: git ends with advice that is the same for every failure. */
function lastLine(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(Please make sure|and the repository exists)/.test(line));
  const telling = lines.findLast((line) => !/Could not read from remote repository/.test(line));
  return telling ?? lines.at(-1) ?? '';
}
