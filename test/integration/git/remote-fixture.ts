import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import type { PushTarget } from '../../../src/git/push.js';
import type { Repository } from '../../../src/git/run-git.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';

/** A bridge without our hooks, and an empty clone that fetches from it and pushes to it. */
export interface RemoteFixture {
  readonly bridge: BareBridge;
  readonly clone: Repository;
  readonly url: string;
  /** The clone and the address, as a push takes them. */
  readonly to: PushTarget;
}

export async function bridgeAndClone(options: { rootDate?: string } = {}): Promise<RemoteFixture> {
  const bridge = await bareBridge(options);
  const clone = { gitDir: join(bridge.dir, 'clone.git'), env: clientGitEnv(bridge.env) };
  await gitOk(['init', '--bare', '--quiet', '--template=', clone.gitDir], { env: clone.env });
  return { bridge, clone, url: bridge.gitDir, to: { repo: clone, url: bridge.gitDir } };
}

/** A commit in `repo` on top of `parent` that says `text`. */
export async function commitOn(
  repo: Repository,
  parent: string,
  text: string,
  atMs = Date.now(),
): Promise<string> {
  const reader = openObjectReader(repo);
  try {
    const blob = await writeBlob(repo, Buffer.from(text));
    const by = { name: 'bot', atMs };
    const message = `${text.slice(0, 100)}\n`;
    return await writeFileCommit(repo, reader, { parent, file: 'task.txt', blob, message, by });
  } finally {
    reader.close();
  }
}

/** Where main of the bridge is. */
export async function tip(bridge: BareBridge): Promise<string> {
  return bridge.git(['rev-parse', 'refs/heads/main']);
}

/** Gives the bridge a pre-receive hook. */
export async function hook(bridge: BareBridge, script: string): Promise<void> {
  const file = join(bridge.gitDir, 'hooks', 'pre-receive');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}
