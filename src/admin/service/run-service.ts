import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { runProgram } from '../../process/run-program.js';
import { shellQuote } from '../../process/shell-quote.js';
import type { Command } from '../../process/start-program.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { ensureEnvFile } from './env-file.js';
import { isForSameBridge } from './same-bridge.js';
import type { ServicePlan, ServiceSpec } from './service-spec.js';

/** What an install or an uninstall changed. */
export interface ServiceChange {
  /** Files that were written, or removed; without those that needed no change. */
  readonly changed: readonly string[];
  /** Whether the file for variables was made just now. */
  readonly madeEnvFile: boolean;
}

/**
 * Writes the files of a service and starts it. Run again, it writes what differs and starts the service
 * again. Where the manager does not take the service, the files that this call wrote are removed again.
 * Throws BridgeError `service-exists` (the name serves another bridge), `open-env-file`, `no-permission`,
 * `no-service-manager`, `no-session`, `service-failed`.
 */
export async function installService(
  spec: ServiceSpec,
  plan: ServicePlan,
  env: NodeJS.ProcessEnv,
): Promise<ServiceChange> {
  const changed: string[] = [];
  let madeEnvFile = false;
  await requireManager(plan, env);
  await requireSession(spec, plan, env);
  for (const file of plan.files) await refuseOther(file.path, file.encoding, spec);
  try {
    const owner = spec.user === null ? null : await ownerOf(spec);
    madeEnvFile = await ensureEnvFile(spec.envFile, owner);
    for (const file of plan.files) {
      const bytes = Buffer.from(file.text, file.encoding);
      const now = await readFile(file.path).catch(() => null);
      if (now?.equals(bytes)) continue;
      await mkdir(path.dirname(file.path), { recursive: true });
      await writeFileAtomic(file.path, bytes, { mode: 0o644 });
      changed.push(file.path);
    }
  } catch (error) {
    throw noPermission(error);
  }
  for (const [at, command] of plan.install.entries()) {
    // A service that the manager knows stays, also where it cannot be started now.
    const isStart = at > 0 && at === plan.install.length - 1;
    await runOrThrow(command, env, plan).catch(async (error: unknown) => {
      if (!isStart) for (const file of changed) await rm(file, { force: true });
      throw error;
    });
  }
  return { changed, madeEnvFile };
}

/**
 * Stops a service and removes its files; the file for variables stays. Run again, it does nothing. Files
 * without a running service manager are removed as well. Throws as installService does.
 */
export async function uninstallService(plan: ServicePlan, env: NodeJS.ProcessEnv): Promise<ServiceChange> {
  await requireManager(plan, env);
  const [first] = plan.files;
  const isThere = first !== undefined && (await stat(first.path).catch(() => null)) !== null;
  const [stop, ...rest] = plan.uninstall;
  // A service that does not run, or that the manager does not know, is stopped already.
  if (isThere && stop !== undefined) await run(stop, env);
  const changed: string[] = [];
  for (const file of plan.files) {
    if ((await stat(file.path).catch(() => null)) === null) continue;
    await rm(file.path).catch((error: unknown) => {
      throw noPermission(error);
    });
    changed.push(file.path);
  }
  if (isThere) for (const command of rest) await run(command, env);
  return { changed, madeEnvFile: false };
}

/**
 * What the service manager says of a service; null where it was never installed. Throws BridgeError
 * `no-service-manager`, `no-session`.
 */
export async function readService(
  spec: ServiceSpec,
  plan: ServicePlan,
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  await requireManager(plan, env);
  await requireSession(spec, plan, env);
  const [first] = plan.files;
  if (first === undefined || (await stat(first.path).catch(() => null)) === null) return null;
  const { stdout, stderr } = await run(plan.status, env);
  return (stdout.trim() || stderr.trim()).replace(/\r/g, '');
}

/** A second bridge of the same name would take the place of the first. */
async function refuseOther(file: string, encoding: BufferEncoding, spec: ServiceSpec): Promise<void> {
  const text = await readFile(file, encoding).catch(() => '');
  if (text === '' || isForSameBridge(file, text, spec)) return;
  throw new BridgeError(`${file} is a service for another bridge`, {
    code: 'service-exists',
    remedy: 'give this one a name of its own: --instance NAME; or uninstall that one first',
  });
}

async function ownerOf(spec: ServiceSpec): Promise<{ uid: number; gid: number } | null> {
  // systemd reads the file as root, before it becomes the user; launchd starts node, which reads it, as the
  // user.
  if (process.platform !== 'darwin' || spec.user === null) return null;
  const { stdout } = await run(['id', '-u', spec.user], process.env);
  const group = await run(['id', '-g', spec.user], process.env);
  return { uid: Number(stdout), gid: Number(group.stdout) };
}

async function requireManager(plan: ServicePlan, env: NodeJS.ProcessEnv): Promise<void> {
  const [program] = plan.status;
  const found = await run([program, '--version'], env).catch(() => null);
  if (found !== null) return;
  throw new BridgeError(`${program} was not found: there is no service manager here that llm-bridge knows`, {
    code: 'no-service-manager',
    remedy: 'see what would be installed with --print, and set it up by hand',
  });
}

/**
 * A service manager that is installed need not run: for a user who came by su or sudo, or in a container.
 */
async function requireSession(
  { role, scope }: Pick<ServiceSpec, 'role' | 'scope'>,
  { probe }: ServicePlan,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  if (probe === null) return;
  const { exitCode, stdout, stderr } = await run(probe, env);
  if (exitCode === 0) return;
  const said = oneLine(stderr || stdout);
  const reason = said === '' ? `exit code ${exitCode}` : said;
  throw scope === 'user'
    ? new BridgeError(`${probe[0]} has no session of this user to run a service in: ${reason}`, {
        code: 'no-session',
        remedy: `install it for the machine: sudo llm-bridge service install ${role} --system --user NAME …; or log in as this user, not by su or sudo`,
      })
    : new BridgeError(`${probe[0]} is here, and its service manager does not run: ${reason}`, {
        code: 'no-session',
        remedy: 'see what would be installed with --print, and set it up by hand',
      });
}

async function runOrThrow(
  command: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
  plan: ServicePlan,
): Promise<void> {
  const { exitCode, stderr, stdout } = await run(command, env);
  if (exitCode === 0) return;
  // launchd says this of a service that runs already: that is stopped, and started again.
  const said = oneLine(stderr || stdout);
  if (command[0] === 'launchctl' && /already|5: Input\/output error/i.test(said)) {
    for (const stop of plan.uninstall) await run(stop, env);
    if ((await run(command, env)).exitCode === 0) return;
  }
  throw new BridgeError(`"${command.join(' ')}" failed${said === '' ? '' : `: ${said}`}`, {
    code: 'service-failed',
    remedy: `run it by hand and read what it says: ${command.map(shellQuote).join(' ')}`,
  });
}

async function run(
  command: Command,
  env: NodeJS.ProcessEnv,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await runProgram(command, { env });
  return { exitCode: exitCode ?? 1, stdout: stdout.toString('utf8'), stderr };
}

function noPermission(error: unknown): unknown {
  const { code, path: file } = error as NodeJS.ErrnoException;
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') return error;
  return new BridgeError(`cannot write ${file ?? 'the files of the service'} (${code})`, {
    code: 'no-permission',
    remedy: 'a service of the machine is installed by root: sudo llm-bridge service …; or leave out --system',
    cause: error,
  });
}
