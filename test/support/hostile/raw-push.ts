import { replaceTreeFile } from '../../../src/git/git-objects.js';
import type { Answer } from '../../../src/protocol/answer.js';
import { answerMessage } from '../../../src/protocol/commit-message.js';
import { type RawObject, rawObject } from './git-objects.js';
import { type HostileBridge, honestAnswer } from './hostile-bridge.js';
import { type PackEntry, type PackFrame, writePack } from './pack-writer.js';
import { pktLine } from './pkt-line.js';
import type { RawResult } from './raw-client.js';
import { openRawClient } from './raw-client.js';

export const ZERO_ID = '0'.repeat(40);
export const MAIN = 'refs/heads/main';

/** One command of a push; the ref may hold anything but NUL. */
export interface RawCommand {
  readonly oldId: string;
  readonly newId: string;
  readonly ref: string;
}

/** Everything a pusher can send. A field that is left out has an honest pusher's value. */
export interface RawPush {
  readonly who?: string;
  readonly commands?: readonly RawCommand[];
  /** After the first command, after NUL. */
  readonly capabilities?: string;
  /** pkt-lines before the commands. */
  readonly before?: readonly Buffer[];
  /** pkt-lines between the commands and the flush that ends them. */
  readonly behind?: readonly Buffer[];
  /** pkt-lines after the flush that ends the commands: push options with their own flush. */
  readonly after?: readonly Buffer[];
  readonly entries?: readonly PackEntry[];
  readonly frame?: PackFrame;
  /** Bytes instead of a pack of entries. `null`: no pack at all. */
  readonly pack?: Buffer | null;
}

const CAPABILITIES = 'report-status side-band-64k object-format=sha1 agent=raw';

/** Pushes over the real ssh, and waits for the end of the connection. */
export async function rawPush(bridge: HostileBridge, push: RawPush): Promise<RawResult> {
  const { fixture } = bridge;
  const client = openRawClient(
    fixture,
    fixture.principal(push.who ?? 'home-pc'),
    `git-receive-pack '${fixture.repoPath}'`,
  );
  await client.advertisement();
  client.send(pushBytes(push));
  client.end();
  return client.closed;
}

/** The bytes on the wire. */
export function pushBytes(push: RawPush): Buffer {
  const commands = (push.commands ?? []).map(({ oldId, newId, ref }, at) =>
    pktLine(
      Buffer.from(
        `${oldId} ${newId} ${ref}${at === 0 ? `\0 ${push.capabilities ?? CAPABILITIES}` : ''}`,
        'utf8',
      ),
    ),
  );
  const pack = push.pack === undefined ? writePack(push.entries ?? [], push.frame) : push.pack;
  return Buffer.concat([
    ...(push.before ?? []),
    ...commands,
    ...(push.behind ?? []),
    pktLine(null),
    ...(push.after ?? []),
    ...(pack === null ? [] : [pack]),
  ]);
}

/** The parts of an answer commit; each can be replaced. */
export interface CommitParts {
  readonly who?: string;
  readonly answer?: Partial<Record<keyof Answer, unknown>>;
  /** The bytes of the file, instead of the answer's. */
  readonly payload?: string | Buffer;
  readonly file?: string;
  readonly parent?: string;
  readonly parentTree?: Buffer;
  /** The whole tree. */
  readonly tree?: (honest: Buffer, blobId: string) => RawObject;
  readonly author?: string;
  readonly committer?: string;
  /** The header lines, each with its line break, between `tree` and the empty line. */
  readonly headers?: (honest: { tree: string; parent: string; author: string; committer: string }) => string;
  readonly message?: string | Buffer;
}

/** The objects of one commit on top of main, and the command that would move main to it. */
export interface BuiltCommit {
  readonly blob: RawObject;
  readonly tree: RawObject;
  readonly commit: RawObject;
  readonly objects: RawObject[];
  readonly command: RawCommand;
}

/** Builds a valid answer by home-pc to the open task, except for the given parts. */
export function buildCommit(bridge: HostileBridge, parts: CommitParts = {}): BuiltCommit {
  const who = parts.who ?? 'home-pc';
  const honest = honestAnswer(bridge.open, who);
  const answer = { ...honest, ...parts.answer };
  const payload = parts.payload ?? `${JSON.stringify(answer)}\n`;
  const blob = rawObject('blob', payload);
  const file = parts.file ?? 'inbox.json';
  const honestTree = replaceTreeFile(parts.parentTree ?? bridge.tipTree, file, blob.id);
  const tree = parts.tree?.(honestTree, blob.id) ?? rawObject('tree', honestTree);
  const parent = parts.parent ?? bridge.tip;
  const seconds = Math.floor(Date.now() / 1000);
  const author = parts.author ?? `${who} <${who}@llm-bridge.invalid> ${seconds} +0000`;
  const committer = parts.committer ?? author;
  const lines = { tree: tree.id, parent, author, committer };
  const headers =
    parts.headers?.(lines) ??
    `tree ${lines.tree}\nparent ${lines.parent}\nauthor ${author}\ncommitter ${committer}\n`;
  const message = parts.message ?? answerMessage(honest);
  const commit = rawObject(
    'commit',
    Buffer.concat([
      Buffer.from(`${headers}\n`, 'utf8'),
      Buffer.isBuffer(message) ? message : Buffer.from(message, 'utf8'),
    ]),
  );
  return {
    blob,
    tree,
    commit,
    objects: [commit, tree, blob],
    command: { oldId: parent, newId: commit.id, ref: MAIN },
  };
}
