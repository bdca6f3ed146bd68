import { runAsUser } from '../admin/run-as-user.js';
import type { UserIds } from '../process/start-program.js';
import type { CommandIo } from './command.js';
import { EXIT, type ExitCode } from './print-error.js';

/**
 * Runs a command of llm-bridge as another user, prints what it says as if this process had said it, and
 * returns its exit code. `reword` changes what goes to standard output. Throws BridgeError as runAsUser
 * does.
 */
export async function runHereAs(
  ids: UserIds,
  words: readonly string[],
  { out, env }: CommandIo,
  reword: (said: string) => string = (said) => said,
): Promise<ExitCode> {
  const { exitCode, stdout, stderr } = await runAsUser(ids, words, env);
  process.stderr.write(stderr);
  const said = stdout.toString('utf8');
  if (said !== '') await out.print(reword(said));
  const known = Object.values(EXIT).find((code) => code === exitCode);
  return known ?? EXIT.failed;
}
