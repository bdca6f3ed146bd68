import { parseAddress } from '../bridge/address.js';
import type { SshOptions } from '../bridge/ssh-settings.js';
import { packageVersion } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { requireName } from '../protocol/names.js';
import {
  type AgentLog,
  type AgentOptions,
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_RETRY_WINDOW_MS,
  DEFAULT_TOTAL_TIMEOUT_MS,
  type GenerateSettings,
  type OnTaskText,
} from './agent-options.js';
import { BackendMemory } from './backends/backend-memory.js';
import {
  type BackendName,
  type BackendUrls,
  DEFAULT_BACKEND_ORDER,
  type TokenFiles,
  withAddress,
} from './backends/backends.js';
import { readBackendTokens, requireBackendUrls } from './backends/given-backends.js';
import { IdleGroup } from './idle-group.js';
import { ModelRoom } from './model-room.js';
import { requirePassFields } from './requests/refused-fields.js';
import { REST_AFTER_MS } from './rest-watch.js';
import { runAgents } from './run-agents.js';
import { stateDirIn } from './state-folder.js';

/**
 * The options of an agent; all but `repo` have a default. Times are milliseconds. `ollamaUrl` and the like
 * say where a model server listens, `lmstudioTokenFile` and the like which file has the token for it.
 */
export interface CreateAgentOptions extends BackendUrls, TokenFiles {
  /**
   * `ssh://user@host/path`, `user@host:path`, or a local path. For an agent that serves several bridges: all
   * of them, each with SSH options of its own where they differ.
   */
  readonly repo: string | readonly AgentBridge[];
  readonly ssh?: SshOptions | undefined;
  /** The environment for git and ssh. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Answer what is pending, then end. Default: false. */
  readonly once?: boolean | undefined;
  /**
   * Makes it a standby: it answers only tasks that have waited for this long, leaves those that it cannot
   * answer, and nobody counts on it before. Give whole seconds. Default: it takes tasks as they come.
   */
  readonly afterMs?: number | undefined;
  /** The name to answer in, where the bridge knows no name of the key. Default: the host name. */
  readonly name?: string | undefined;
  /** The order in which backends are tried. Default: all, in the order of src/agent/backends/backends.ts. */
  readonly backends?: readonly BackendName[] | undefined;
  /**
   * The model for tasks that name none. Default: one that chats and runs here; one in memory, else the
   * first.
   */
  readonly model?: string | undefined;
  /** Whether a cloud model, which runs elsewhere, may be asked by its name. Default: false. */
  readonly allowCloud?: boolean | undefined;
  /** The longest context that a model is asked to have, in tokens. Default: 32,768. */
  readonly maxContext?: number | undefined;
  /**
   * Fields that API calls may have beside the listed ones, named as an answer's `dropped` names them.
   * Default: none.
   */
  readonly passFields?: readonly string[] | undefined;
  /** Default: 1. */
  readonly parallel?: number | undefined;
  /** Default: 2000; backs off to ten times that, and only where there is no doorbell. */
  readonly pollMs?: number | undefined;
  readonly stateDir?: string | undefined;
  readonly idleTimeoutMs?: number | undefined;
  readonly totalTimeoutMs?: number | undefined;
  readonly retryWindowMs?: number | undefined;
  /** Default: silent. */
  readonly log?: AgentLog | undefined;
  /** Called with every piece of text as a model says it. */
  readonly onText?: OnTaskText | undefined;
  /** Called once each time when there has been nothing to do for a while, for example to tidy up. */
  readonly onRest?: (() => void) | undefined;
  /** How long that is. Default: 10000. */
  readonly restAfterMs?: number | undefined;
  /**
   * A line for the shell that is run when nothing was pending for `afterMs`, so that the PC may sleep. After
   * new work it is run again. Default: none.
   */
  readonly idle?: { readonly afterMs: number; readonly command: string } | undefined;
}

/** One of several bridges of an agent. */
export interface AgentBridge {
  readonly repo: string;
  /** Default: that of the agent. */
  readonly ssh?: SshOptions | undefined;
}

/** An agent that is not running yet. */
export interface Agent {
  /**
   * Answers tasks until the signal aborts, or with `once` until none is pending. Throws BridgeError for what
   * a person has to mend; finished answers are kept in the state folder then, and pushed by the next run.
   */
  run(signal?: AbortSignal): Promise<void>;
}

/**
 * Makes an agent. Throws BridgeError `usage` for a bad address of a model server, a bad name, a field that
 * never passes, an order without backends, no bridge; of several bridges, also for a bad address and for one
 * that is named twice. The address of a single bridge and the tokens are checked by `run`.
 */
export function createAgent(options: CreateAgentOptions): Agent {
  const env = options.env ?? process.env;
  const urls = requireBackendUrls(options, env);
  if (options.name !== undefined) requireName(options.name, 'an agent');
  requirePassFields(options.passFields ?? []);
  const order = withAddress(options.backends ?? DEFAULT_BACKEND_ORDER, urls);
  if (order.length === 0) {
    throw new BridgeError('an agent needs a backend', {
      code: 'usage',
      remedy: `backends: ${JSON.stringify(DEFAULT_BACKEND_ORDER)}`,
    });
  }
  const bridges = bridgesOf(options);
  return {
    run: async (signal = new AbortController().signal) => {
      const tokens = await readBackendTokens(order, options, env);
      const parallel = options.parallel ?? 1;
      const shared = {
        env,
        name: options.name,
        once: options.once ?? false,
        afterMs: options.afterMs ?? null,
        parallel,
        room: new ModelRoom(parallel),
        idleGroup: new IdleGroup(bridges.length),
        pollMs: options.pollMs ?? 2_000,
        version: packageVersion(),
        onText: options.onText,
        onRest: options.onRest,
        restAfterMs: options.restAfterMs ?? REST_AFTER_MS,
        idle: options.idle ?? null,
        signal,
        generate: {
          order,
          ...urls,
          tokens,
          model: options.model,
          allowCloud: options.allowCloud,
          maxContext: options.maxContext,
          passFields: options.passFields,
          memory: new BackendMemory(),
          ...timesOf(options),
        },
      };
      await runAgents(bridges.map((bridge) => ({ ...shared, ...bridge })));
    },
  };
}

/** The bridges of an agent, each with a folder and a log of its own where there are several. */
function bridgesOf({
  repo,
  ssh,
  stateDir,
  log = () => {},
}: CreateAgentOptions): Pick<AgentOptions, 'repo' | 'ssh' | 'stateDir' | 'log' | 'isFirst'>[] {
  if (typeof repo === 'string') return [{ repo, ssh, stateDir, log, isFirst: true }];
  const [only, ...others] = repo;
  if (only === undefined)
    throw new BridgeError('an agent needs a bridge', { code: 'usage', remedy: 'name one' });
  if (others.length === 0) return [{ repo: only.repo, ssh: only.ssh ?? ssh, stateDir, log, isFirst: true }];
  const urls = repo.map((one) => parseAddress(one.repo).url);
  return repo.map((one, at) => {
    const url = urls[at] ?? '';
    if (urls.indexOf(url) !== at)
      throw new BridgeError(`${url} is named twice`, { code: 'usage', remedy: 'name each bridge once' });
    return {
      repo: one.repo,
      ssh: one.ssh ?? ssh,
      stateDir: stateDir === undefined ? undefined : stateDirIn(stateDir, one.repo),
      // Most failures name the bridge themselves.
      log: (level, text, fields) =>
        log(level, text.includes(url) ? text : `${url}: ${text}`, fields && { ...fields, repo: url }),
      isFirst: at === 0,
    };
  });
}

type Times = 'idleTimeoutMs' | 'totalTimeoutMs' | 'retryWindowMs';

/** The times of an agent, with the default for each that is not set. Exported for its test. */
export function timesOf(options: Pick<CreateAgentOptions, Times>): Pick<GenerateSettings, Times> {
  return {
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
    totalTimeoutMs: options.totalTimeoutMs ?? DEFAULT_TOTAL_TIMEOUT_MS,
    retryWindowMs: options.retryWindowMs ?? DEFAULT_RETRY_WINDOW_MS,
  };
}
