import { hidePasswords } from '../process/hide-passwords.js';
import { BridgeError, type BridgeErrorCode } from '../protocol/bridge-error.js';
import { stripControls } from '../protocol/printable.js';
import { faultOfKeyFile } from './key-file.js';

/**
 * What the messages of git and ssh mean; they are English (`git-env.ts`). No other file interprets their
 * standard error, or why a ref was not pushed.
 */
const MEANINGS = {
  /** A shallow fetch by date: no commit is that young. */
  'nothing-that-young': /no commits selected for shallow requests/,
  /** A fetch: the other side's main does not continue ours. */
  rewound: /\((non-fast-forward|forced update)\)/,
  /**
   * A push of one ref: main is not the commit we built on. The client, the connectivity check or the lock
   * says it.
   */
  raced:
    /^\[(?:remote )?rejected\] \((?:fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|incorrect old value)/,
  /** A push: the server's git cannot move several refs as one. */
  'not-atomic': /does not support --atomic/,
  /** update-ref: the ref is not what it should have been. */
  'other-value': /is at [0-9a-f]+ but expected|reference already exists|unable to resolve reference/,
  /** update-ref: another process is changing the ref at this moment, or was killed while it did. */
  'ref-locked': /Unable to create '[^'\n]{1,900}\.lock': File exists/,
  'host-key-changed': /REMOTE HOST IDENTIFICATION HAS CHANGED|host key for [^\n]{1,400} has changed/i,
  'host-key-unknown': /Host key verification failed|No \S+ host key is known for/,
  'no-identity-file': /Identity file [^\n]{1,400} not accessible|no such identity/i,
  'unreadable-key': /^Load key /m,
  'key-refused': /Permission denied \(|Too many authentication failures/i,
  'unknown-host': /Could not resolve host/,
  unreachable:
    /Connection (refused|timed out|reset|closed)|No route to host|Network is unreachable|Operation timed out|Broken pipe|kex_exchange_identification|banner exchange|Timeout, server \S{1,400} not responding|lost connection|client_loop: send disconnect/i,
  /**
   * The forced command's own words. Behind `remote:` a hook speaks, about a push that may well have
   * succeeded.
   */
  'server-refused': /^llm-bridge: .*/m,
  'server-lost-config': /^llm-bridge: the config of this bridge is /m,
  /** Text in front of git's own protocol. */
  'text-before-git': /protocol error: bad line length character/,
  /** A shell that is no POSIX shell, of a server with Windows or a router. */
  'no-such-command': /not recognized as|unknown command|command not found/i,
  'no-repository': /does not appear to be a git repository|not a git repository|Repository not found/i,
  'no-main': /couldn't find remote ref|unknown revision[^\n]{1,400}main/i,
  /** The ids of one side are SHA-1, those of the other SHA-256. */
  'other-format': /mismatched algorithms: client|Server does not support this repository's object format/,
  'other-owner': /detected dubious ownership/,
  /**
   * What the system says of a full disk, ours or the server's. git leaves the reason out for a ref that it
   * could not write.
   */
  'disk-full': /No space left on device|Disk quota exceeded|couldn't write '[^'\n]{1,900}\.lock'/,
  'connection-broke':
    /The remote end hung up|early EOF|unexpected disconnect|Could not read from remote|index-pack failed/,
} as const;

/**
 * No honest git or ssh says more than this before it says why. The other side may send anything, and a search
 * has to end soon.
 */
const MAX_SAID_CHARS = 16_384;

type Meaning = keyof typeof MEANINGS;

/** Whether git or ssh meant this with its output. */
export function gitMeant(meaning: Meaning, said: string): boolean {
  return MEANINGS[meaning].test(said.slice(0, MAX_SAID_CHARS));
}

/** A reason why the other side cannot be reached, or refuses. */
interface Failure {
  /** All of these were meant; the reader sees the words of the first. */
  readonly meanings: readonly [Meaning, ...Meaning[]];
  readonly code: BridgeErrorCode;
  readonly message: string;
  readonly remedy: string;
  /** Whether waiting may help: the network, a server that restarts. */
  readonly retryable: boolean;
}

const HOST_KEY = {
  code: 'ssh-host-key',
  message: "the server's host key is unknown or has changed",
  remedy: 'compare the fingerprint with the server\'s own, then connect once with plain "ssh" to accept it',
  retryable: false,
} as const;

/** What to do where the shell of the bridge's user prints when sshd starts the forced command by it. */
export const QUIET_SHELL =
  'on the server, as the user of the bridge: put "case $- in *i*) ;; *) return ;; esac" first in ~/.bashrc, so that it prints for people alone';

/** The first entry that fits counts. */
const FAILURES: readonly Failure[] = [
  { meanings: ['host-key-changed'], ...HOST_KEY },
  { meanings: ['host-key-unknown'], ...HOST_KEY },
  {
    // ssh warns of a missing file in any case; only a refused login is caused by it.
    meanings: ['no-identity-file', 'key-refused'],
    code: 'ssh-identity',
    message: 'the SSH identity file cannot be read',
    remedy: 'check the path given with --identity',
    retryable: false,
  },
  {
    // ssh may have offered another key instead. The key that cannot be read is the reason all the same.
    meanings: ['unreadable-key', 'key-refused'],
    code: 'ssh-identity',
    message: 'ssh cannot read the key',
    remedy:
      'it has to be a private key in the form of OpenSSH (no .pub, no .ppk, no line ends of Windows) that you alone can read: "chmod 600 FILE" and "ssh-keygen -y -f FILE" tell',
    retryable: false,
  },
  {
    meanings: ['key-refused'],
    code: 'ssh-auth',
    message: 'the server did not accept the SSH key',
    remedy: 'name the key with --identity FILE, and on the server add its .pub with "llm-bridge key add"',
    retryable: false,
  },
  {
    meanings: ['unknown-host'],
    code: 'ssh-host',
    message: 'the name of the server cannot be resolved',
    remedy: 'check the host in --repo, and whether this machine is online',
    retryable: true,
  },
  {
    meanings: ['unreachable'],
    code: 'unreachable',
    message: 'the server cannot be reached',
    remedy: 'check host and port in --repo, and whether the server and the network are up',
    retryable: true,
  },
  {
    // The forced command says this, but a person puts it right: an agent waits until that is done.
    meanings: ['server-lost-config'],
    code: 'server-damaged',
    message: 'the bridge has lost its config',
    remedy: 'on the server, as the owner of the bridge: llm-bridge doctor --repo PATH',
    retryable: true,
  },
  {
    meanings: ['server-refused'],
    code: 'refused',
    message: 'the server refused',
    remedy:
      'check --repo against the path of the bridge on the server, and the role of the key ("llm-bridge key list")',
    retryable: false,
  },
  {
    // A person puts it right; an agent waits until that is done.
    meanings: ['text-before-git'],
    code: 'noisy-shell',
    message: "a start-up file of the server's shell prints text, which git takes for its own protocol",
    remedy: QUIET_SHELL,
    retryable: true,
  },
  {
    meanings: ['other-format'],
    code: 'object-format',
    message: 'the ids of the bridge (SHA-1 or SHA-256) are not those of the clone here',
    remedy: 'the bridge was made again in another format: delete the clone, or the state folder of the agent',
    retryable: false,
  },
  {
    meanings: ['no-repository'],
    code: 'no-such-repository',
    message: 'there is no bridge at that address',
    remedy: 'check the path in --repo; "llm-bridge init" makes a bridge',
    retryable: false,
  },
  {
    meanings: ['no-main'],
    code: 'no-main',
    message: 'the repository has no branch main',
    remedy: 'run "llm-bridge init" on it',
    retryable: false,
  },
  {
    meanings: ['other-owner'],
    code: 'other-owner',
    message: 'the repository belongs to another user',
    remedy: 'come in over SSH with a key of your own ("llm-bridge key add"), or run this as the owner',
    retryable: false,
  },
  {
    meanings: ['disk-full'],
    code: 'disk-full',
    message: 'a disk is full, or cannot be written',
    remedy: 'free some space; nothing is lost, it goes on by itself',
    retryable: true,
  },
  {
    meanings: ['connection-broke'],
    code: 'connection-broke',
    message: 'the connection to the server broke',
    remedy: 'check the network; on the server, the log of sshd',
    retryable: true,
  },
];

/**
 * What ssh says where it could not use a shared connection. It then opens one of its own, and reports on that
 * one.
 */
const SHARING_NOISE = /^(?:mux_client_\w+: |Control ?[Ss]ocket ).*$/gm;

/**
 * The error for a git or ssh that failed on the way to the other side. `what` names the step (`fetch from
 * ssh://…`). A failure that fits no entry is `git-failed` and retryable: a server can fail in ways no table
 * knows, and a waiting agent has to survive them.
 */
export function classifyGitFailure(what: string, output: string): BridgeError {
  const stderr = stripControls(output.slice(0, MAX_SAID_CHARS).replace(SHARING_NOISE, ''));
  const failure = FAILURES.find(({ meanings }) => meanings.every((one) => gitMeant(one, stderr)));
  if (failure === undefined) {
    return new BridgeError(`${what} failed: ${firstWords(stderr) || 'git said nothing'}`, {
      code: 'git-failed',
      remedy:
        'look at the message of git above; "llm-bridge status --repo …" tells whether the bridge answers',
      retryable: true,
    });
  }
  const at = stderr.search(MEANINGS[failure.meanings[0]]);
  const words = firstWords(stderr.slice(stderr.lastIndexOf('\n', at) + 1));
  if (failure.code === 'refused') return serverRefused(what, failure, words);
  if (failure.code === 'ssh-identity') return unusableKey(what, failure, words);
  return new BridgeError(`${what}: ${failure.message}${words === '' ? '' : ` (${words})`}`, failure);
}

/** ssh says which file it is, and little of what is wrong with it; the file itself tells that. */
function unusableKey(what: string, failure: Failure, words: string): BridgeError {
  const [, file] = /^Load key "([^"\n]+)": /.exec(words) ?? [];
  const fault = file === undefined ? null : faultOfKeyFile(file);
  if (fault === null) return new BridgeError(`${what}: ${failure.message} (${words})`, failure);
  const message = `${what}: ${failure.message}, which ${fault.what} (${words})`;
  return new BridgeError(message, { ...failure, remedy: fault.remedy });
}

/** The forced command's own words: `llm-bridge: what is wrong; try: what to do`. */
function serverRefused(what: string, failure: Failure, words: string): BridgeError {
  const [text = '', remedy = failure.remedy] = words.replace(/^llm-bridge: /, '').split('; try: ');
  return new BridgeError(`${what}: ${failure.message}: ${text.trim()}`, {
    ...failure,
    remedy: remedy.trim(),
  });
}

/**
 * Lines that say nothing about a failure: advice that is the same for every one, and notes of what went well.
 */
const NO_REASON =
  /^(?:Please make sure|and the repository exists|hint: |debug[123]: |Warning: Permanently added |From |To )/;

/**
 * The first line of git or ssh that gives the reason; later lines are consequences. Control characters and
 * passwords in addresses are removed.
 */
export function firstWords(stderr: string): string {
  const lines = hidePasswords(stripControls(stderr))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !NO_REASON.test(line));
  return lines.find((line) => !/^warning: /.test(line)) ?? lines[0] ?? '';
}
