import { hidePasswords } from '../process/hide-passwords.js';
import { stripControls } from '../protocol/printable.js';

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
  /** A push of several refs as one: what is said of each ref, also of one that is not at fault. */
  'atomic-failed': /\(atomic /,
  /** The same, by the server: none was moved. A line of its own names the ref at fault. */
  'none-moved': /\(atomic transaction failed\)/,
  'main-locked': /cannot lock ref 'refs\/heads\/main'/,
  /** A push: the server's git cannot move several refs as one. */
  'not-atomic': /does not support --atomic/,
  /** update-ref: the ref is not what it should have been. */
  'other-value': /is at [0-9a-f]+ but expected|reference already exists|unable to resolve reference/,
  /** update-ref: another process is changing the ref at this moment, or was killed while it did. */
  'ref-locked': /Unable to create '[^'\n]{1,900}\.lock': File exists/,
  'host-key-changed': /REMOTE HOST IDENTIFICATION HAS CHANGED|host key for [^\n]{1,400} has changed/i,
  'host-key-unknown': /Host key verification failed|No \S+ host key is known for/,
  'host-key-accepted': /^Warning: Permanently added /m,
  'no-identity-file': /Identity file [^\n]{1,400} not accessible|no such identity/i,
  'unreadable-key': /^Load key /m,
  'too-many-keys': /Too many authentication failures/i,
  'key-refused': /Permission denied \(|Too many authentication failures/i,
  'unknown-host': /Could not resolve host/,
  /** Somebody listens there, and ends the connection before a word. */
  'turned-away': /kex_exchange_identification: (?:read: )?Connection (?:reset|closed)/i,
  unreachable:
    /Connection (refused|timed out|reset|closed)|No route to host|Network is unreachable|Operation timed out|Broken pipe|kex_exchange_identification|banner exchange|Timeout, server \S{1,400} not responding|lost connection|client_loop: send disconnect/i,
  /**
   * The forced command's own words. Behind `remote:` a hook speaks, about a push that may well have
   * succeeded.
   */
  'server-refused': /^llm-bridge: .*/m,
  /** It does not know what was asked for, or not in this form. */
  'server-knows-no-such': /^llm-bridge: this key opens no shell/m,
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
  /** A fetch that leaves files out: what came builds on one of them. */
  'base-left-out': /unresolved delta|from promisor remote|not our ref/,
  'connection-broke':
    /The remote end hung up|early EOF|unexpected disconnect|Could not read from remote|index-pack failed/,
} as const;

/**
 * No honest git or ssh says more than this before it says why. The other side may send anything, and a
 * search has to end soon.
 */
export const MAX_SAID_CHARS = 16_384;

/** The name of a row of MEANINGS. */
export type Meaning = keyof typeof MEANINGS;

/** Whether git or ssh meant this with its output. */
export function gitMeant(meaning: Meaning, said: string): boolean {
  return MEANINGS[meaning].test(said.slice(0, MAX_SAID_CHARS));
}

/** The position in this output at which the words with this meaning begin; -1 where there are none. */
export function whereMeant(meaning: Meaning, said: string): number {
  return said.search(MEANINGS[meaning]);
}

/**
 * Lines that say nothing about a failure: advice that is the same for every one, and notes of what went
 * well.
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
