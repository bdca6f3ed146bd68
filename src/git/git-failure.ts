import { BridgeError, type BridgeErrorCode } from '../protocol/bridge-error.js';
import { stripControls } from '../protocol/printable.js';
import { type ForcedRefusal, readRefusal } from './forced-refusal.js';
import { firstWords, gitMeant, MAX_SAID_CHARS, type Meaning, whereMeant } from './git-meaning.js';
import { faultOfKeyFile } from './key-file.js';

/** A reason why the other side cannot be reached, or refuses. */
interface Failure {
  /** The failure is this one where git meant all of these. The error quotes the words of the first. */
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

/** The remedy where the shell that sshd starts the forced command with prints text of its own. */
export const QUIET_SHELL =
  'on the server, as the user of the bridge: put "case $- in *i*) ;; *) return ;; esac" first in ~/.bashrc, so that it prints for people alone';

/** The first entry that fits counts. */
const FAILURES: readonly Failure[] = [
  { meanings: ['host-key-changed'], ...HOST_KEY },
  { meanings: ['host-key-unknown'], ...HOST_KEY },
  {
    // ssh warns of a missing file in any case. The file is the reason only where the login was refused as
    // well.
    meanings: ['no-identity-file', 'key-refused'],
    code: 'ssh-identity',
    message: 'the SSH identity file cannot be read',
    remedy: 'check the path given with --identity',
    retryable: false,
  },
  {
    // ssh may have offered another key instead. The key that it cannot read is the reason all the same.
    meanings: ['unreadable-key', 'key-refused'],
    code: 'ssh-identity',
    message: 'ssh cannot read the key',
    remedy:
      'it has to be a private key in the form of OpenSSH (no .pub, no .ppk, no line ends of Windows) that you alone can read: "chmod 600 FILE" and "ssh-keygen -y -f FILE" tell',
    retryable: false,
  },
  {
    // The server counts each key that ssh offers, and hung up before ssh came to the right one.
    meanings: ['too-many-keys'],
    code: 'ssh-auth',
    message: 'ssh offered the server too many keys',
    remedy: 'name the key with --identity FILE: then ssh offers that one alone',
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
    remedy: 'check the host in the address of the bridge, and whether this machine is online',
    retryable: true,
  },
  {
    meanings: ['turned-away'],
    code: 'unreachable',
    message: 'the server turned the connection away',
    remedy:
      'wait a minute: sshd turns away whoever failed to log in just now, and who comes while many log in (PerSourcePenalties, MaxStartups); or check the port',
    retryable: true,
  },
  {
    meanings: ['unreachable'],
    code: 'unreachable',
    message: 'the server cannot be reached',
    remedy: 'check host and port in the address of the bridge, and whether the server and the network are up',
    retryable: true,
  },
  {
    // The forced command says this too, but it is retryable: an agent waits until a person has mended it.
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
    // Retryable, because an agent waits until a person has mended it.
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
    remedy: 'check the path in the address of the bridge; "llm-bridge init" makes a bridge',
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
 * What ssh says where it could not use a shared connection. It then opens one of its own, and reports on
 * that one.
 */
const SHARING_NOISE = /^(?:mux_client_\w+: |Control ?[Ss]ocket ).*$/gm;

/**
 * The error for a git or ssh that failed on the way to the other side. `what` names the step (`fetch from
 * ssh://…`), `url` the address of the bridge where it is known. A failure that fits no entry is
 * `git-failed` and retryable: a server can fail in ways no table knows, and a waiting agent has to survive
 * them.
 */
export function classifyGitFailure(what: string, output: string, url?: string): BridgeError {
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
  const at = whereMeant(failure.meanings[0], stderr);
  const words = firstWords(stderr.slice(stderr.lastIndexOf('\n', at) + 1));
  if (failure.code === 'refused') return serverRefused(what, failure, readRefusal(words, url));
  if (failure.code === 'ssh-identity') return unusableKey(what, failure, words);
  return new BridgeError(`${what}: ${failure.message}${words === '' ? '' : ` (${words})`}`, failure);
}

/** ssh names the file and says little about its fault, so we look into the file ourselves. */
function unusableKey(what: string, failure: Failure, words: string): BridgeError {
  const [, file] = /^Load key "([^"\n]+)": /.exec(words) ?? [];
  const fault = file === undefined ? null : faultOfKeyFile(file);
  if (fault === null) return new BridgeError(`${what}: ${failure.message} (${words})`, failure);
  const message = `${what}: ${failure.message}, which ${fault.what} (${words})`;
  return new BridgeError(message, { ...failure, remedy: fault.remedy });
}

function serverRefused(what: string, failure: Failure, { text, remedy }: ForcedRefusal): BridgeError {
  return new BridgeError(`${what}: ${failure.message}: ${text}`, {
    ...failure,
    remedy: remedy ?? failure.remedy,
  });
}
