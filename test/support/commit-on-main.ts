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
  const { path, content, mode = '100644', message = `set ${path}` } = file;
  const text = (bytes: string | Uint8Array) => {
    const data = Buffer.from(bytes);
    return [Buffer.from(`data ${data.length}\n`), data, Buffer.from('\n')];
  };
  // One git for what would be six otherwise. It writes loose objects where they are so few.
  const input = Buffer.concat([
    Buffer.from('commit refs/heads/main\nmark :1\ncommitter somebody <somebody@example.invalid> now\n'),
    ...text(`${message}\n`),
    Buffer.from(`from refs/heads/main^0\nM ${mode} inline ${path}\n`),
    ...text(content),
    Buffer.from('get-mark :1\n'),
  ]);
  const options = { gitDir: bridge.repoPath, env: bridge.ownerEnv, input };
  return (await gitOk(['fast-import', '--quiet', '--date-format=now'], options)).trim();
}
