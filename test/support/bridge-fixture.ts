import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { addKey } from '../../src/admin/keys.js';
import { type LocalSshd, startLocalSshd } from '../../src/demo/local-sshd.js';
import { sshCommandFor } from '../../src/demo/ssh-client.js';
import { type LogRecord, logRecordSchema } from '../../src/protocol/log-record.js';
import type { Role } from '../../src/protocol/names.js';
import { CLEAN_SESSION, cleanEnv } from './clean-env.js';
import { gitOk } from './git.js';
import { copyBridge } from './new-bridge.js';
import { onCleanup } from './on-cleanup.js';
import { serveHooks } from './serve-hooks.js';
import { shareHookCode } from './share-hook-code.js';
import { tempDir } from './temp-dir.js';
import { waitUntil } from './wait-until.js';
import { writeKeyPair } from './write-key-pair.js';

/** Options for the bridge of a test. */
export interface BridgeFixtureOptions {
  /** Keys to make and add. Default: the agent `home-pc` and the asker `bot`. */
  readonly principals?: readonly { readonly name: string; readonly role: Role }[];
  /** Lines of sshd_config that win over the usual ones. */
  readonly sshdConfig?: readonly string[];
  /**
   * 'here': this process answers the hooks of all pushes (see `serveHooks`). Default: a process is started
   * for each push over ssh, as always.
   */
  readonly hooks?: 'here' | 'started';
}

/** Someone who reaches the bridge over SSH with a key of their own. */
export interface Principal {
  readonly name: string;
  readonly role: Role;
  /** Their own home folder, as on a machine of their own. */
  readonly home: string;
  readonly identityFile: string;
  readonly publicKeyFile: string;
  /** A clean environment with their GIT_SSH_COMMAND. */
  readonly env: Record<string, string>;
}

/** A bridge made by the built program, with a real sshd in front of it. */
export interface BridgeFixture {
  /** The folder of all its files. */
  readonly dir: string;
  readonly repoPath: string;
  /** `ssh://user@127.0.0.1:port/…/bridge.git`: the same for everybody; only the key differs. */
  readonly sshUrl: string;
  /** `user@127.0.0.1:/…/bridge.git`; the port comes from the principal's GIT_SSH_COMMAND. */
  readonly scpUrl: string;
  /** The environment of the user on the server who owns the bridge. */
  readonly ownerEnv: Record<string, string>;
  readonly authorizedKeysFile: string;
  readonly sshd: LocalSshd;
  /** One of the added principals. Throws for any other name. */
  principal(name: string): Principal;
  addPrincipal(name: string, role: Role): Promise<Principal>;
  /** Starts sshd again on the same port with the same host key, after `sshd.stop()`. */
  restartSshd(): Promise<LocalSshd>;
  /** The answers log, byte for byte; empty where there is no file. */
  readLog(): Promise<string>;
  /** The answers log, each line read by the schema. */
  answersLog(): Promise<LogRecord[]>;
  /**
   * `main` from the newest commit to the oldest, one string a commit; `format` as for `git log --format`,
   * default `%s`.
   */
  gitLog(format?: string): Promise<string[]>;
}

/** Makes a bridge for the running test, or for the test file in `beforeAll`, and removes it afterwards. */
export async function startBridgeFixture(options: BridgeFixtureOptions = {}): Promise<BridgeFixture> {
  const dir = await tempDir();
  const home = join(dir, 'server-home');
  await mkdir(home);
  const ownerEnv = cleanEnv(home);
  const repoPath = join(dir, 'bridge.git');
  const authorizedKeysFile = join(dir, 'authorized_keys');
  copyBridge(inject('newBridge'), repoPath);
  if (options.hooks === 'here') await serveHooks(repoPath, ownerEnv);
  else await shareHookCode(repoPath);

  const sshdDir = join(dir, 'sshd');
  await mkdir(sshdDir, { mode: 0o700 });
  // It keeps a host key that is there.
  await writeKeyPair(join(sshdDir, 'host_key'), 'llm-bridge local sshd');
  const startSshd = async (port?: number): Promise<LocalSshd> => {
    const sshd = await startLocalSshd({
      dir: sshdDir,
      authorizedKeysFile,
      ...(port === undefined ? {} : { port }),
      extraConfig: options.sshdConfig ?? [],
      sessionEnv: CLEAN_SESSION,
    });
    onCleanup(sshd.stop);
    return sshd;
  };
  const sshd = await startSshd();

  const principals = new Map<string, Principal>();
  const addPrincipal = async (name: string, role: Role): Promise<Principal> => {
    const principalHome = join(dir, `home-${name}`);
    await mkdir(principalHome);
    const keys = await writeKeyPair(join(dir, `key-${name}`), name);
    // The same as `key add`, without the start of node, which takes most of the time.
    await addKey({ repoPath, authorizedKeysFile, env: ownerEnv }, { name, role, key: keys.publicKeyFile });
    const env = cleanEnv(principalHome, { GIT_SSH_COMMAND: sshCommandFor(sshd, keys.identityFile) });
    const principal = { name, role, home: principalHome, ...keys, env };
    principals.set(name, principal);
    return principal;
  };
  const wanted = options.principals ?? [
    { name: 'home-pc', role: 'agent' },
    { name: 'bot', role: 'asker' },
  ];
  for (const { name, role } of wanted) await addPrincipal(name, role);

  const readLog = (): Promise<string> =>
    readFile(join(repoPath, 'bridge', 'answers.log'), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
  // A test that waits for an answer reads the log again and again.
  const read = new Map<string, LogRecord>();
  const readLine = (line: string): LogRecord => {
    const record = read.get(line) ?? logRecordSchema.parse(JSON.parse(line));
    read.set(line, record);
    return record;
  };
  return {
    dir,
    repoPath,
    sshUrl: `ssh://${sshd.user}@${sshd.host}:${sshd.port}${repoPath}`,
    scpUrl: `${sshd.user}@${sshd.host}:${repoPath}`,
    ownerEnv,
    authorizedKeysFile,
    sshd,
    principal: (name) => {
      const principal = principals.get(name);
      if (principal === undefined) throw new Error(`the fixture has no principal "${name}"`);
      return principal;
    },
    addPrincipal,
    restartSshd: () => startSshd(sshd.port),
    readLog,
    answersLog: async () => {
      // A line without its newline is still being written; it is complete in a moment.
      const whole = async () => {
        const text = await readLog();
        return text === '' || text.endsWith('\n') ? [text] : null;
      };
      const [text = ''] = await waitUntil(whole, 'the end of the last line of answers.log');
      return text.split('\n').slice(0, -1).map(readLine);
    },
    gitLog: async (format = '%s') => {
      const text = await gitOk(['log', '-z', `--format=${format}`, 'main'], {
        gitDir: repoPath,
        env: ownerEnv,
      });
      return text.split('\0').filter((entry) => entry !== '');
    },
  };
}
