import type { BridgeFixture } from './bridge-fixture.js';
import { gitOk } from './git.js';

/** A file that a commit sets. */
export interface MainFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Default: a plain file. */
  readonly mode?: '100644' | '100755' | '120000';
  readonly message?: string;
}

/**
 * Commits a file to `main` on the server with plumbing, as only the owner of the files can: no hook checks
 * it. Returns the commit's id. Throws where main moves meanwhile.
 */
export async function commitOnMain(
  bridge: Pick<BridgeFixture, 'repoPath' | 'ownerEnv'>,
  file: MainFile,
): Promise<string> {
  const [id = ''] = await commitAllOnMain(bridge, [file]);
  return id;
}

/** The same for many files, a commit each, in their order. One git for what would be six of each. */
export async function commitAllOnMain(
  bridge: Pick<BridgeFixture, 'repoPath' | 'ownerEnv'>,
  files: readonly MainFile[],
): Promise<string[]> {
  const text = (bytes: string | Uint8Array) => {
    const data = Buffer.from(bytes);
    return [Buffer.from(`data ${data.length}\n`), data, Buffer.from('\n')];
  };
  const input = files.flatMap(({ path, content, mode = '100644', message = `set ${path}` }, at) => [
    Buffer.from(`commit refs/heads/main\nmark :${at + 1}\n`),
    Buffer.from('committer somebody <somebody@example.invalid> now\n'),
    ...text(`${message}\n`),
    Buffer.from(`from ${at === 0 ? 'refs/heads/main^0' : `:${at}`}\nM ${mode} inline ${path}\n`),
    ...text(content),
    Buffer.from(`get-mark :${at + 1}\n`),
  ]);
  const options = { gitDir: bridge.repoPath, env: bridge.ownerEnv, input: Buffer.concat(input) };
  const ids = await gitOk(['fast-import', '--quiet', '--date-format=now'], options);
  return ids.trim().split('\n');
}
