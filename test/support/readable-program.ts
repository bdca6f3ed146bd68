import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnv } from './clean-env.js';
import { diskTemp } from './memory-temp.js';
import { runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';
import { asUser, findUser } from './unix-users.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The folder of the built program, for a user other than the one who runs the test: this checkout, or a copy
 * where the user cannot look into it.
 */
export async function readableProgram(userName: string): Promise<string> {
  const user = await findUser(userName);
  if (user === null) throw new Error(`there is no user ${userName}`);
  const runs = async (folder: string) => {
    const words = asUser(user, [process.execPath, join(folder, 'dist/cli/main.js'), '--version']);
    const [file = '', ...args] = words;
    return (await runProcess(file, args, { env: cleanEnv('/'), cwd: '/' })).exitCode === 0;
  };
  if (await runs(root)) return root;
  // On the disk: there it is made of links, and it is large.
  const copy = await tempDir(diskTemp());
  const parts = ['package.json', 'bin', 'dist', 'hooks', 'bridge-repo-template', 'node_modules'];
  const from = parts.map((part) => join(root, part));
  // By links where that can be: the packages are large.
  const made = `chmod 755 "$0"; cp -RlL "$@" "$0" 2>/dev/null || cp -RL "$@" "$0"`;
  await runProcess('sh', ['-c', made, copy, ...from], { env: cleanEnv(copy), timeoutMs: 120_000 });
  if (!(await runs(copy)))
    throw new Error(`${userName} cannot run ${process.execPath}; use a node for all users`);
  return copy;
}
