import path from 'node:path';
import { type CloneMaintenance, cloneMaintenance } from '../bridge/clone-maintenance.js';
import { closeConnection, openConnection } from '../bridge/connection.js';
import { createNotifier, type Notifier } from '../bridge/notifier.js';
import { shortId } from '../protocol/names.js';
import type { AgentOptions } from './agent-options.js';
import { AgentSession, type Due } from './agent-session.js';
import { Claims, type ClaimsContext } from './claims/claims.js';
import { type CloneReader, openCloneReader } from './clone/clone-reader.js';
import { createDeepening, type Deepening } from './clone/deepening.js';
import { listFinished } from './clone/finished-answers.js';
import { isSound, openOwnClone, replaceClone } from './clone/own-clone.js';
import { CloneRepair } from './clone/repair-clone.js';
import { type ClockWatch, watchClock } from './learn-terms.js';
import { NextFetch } from './next-fetch.js';
import { outlast } from './outlast.js';
import { QueueView } from './queue/queue-view.js';
import { TaskGate } from './queue/task-gate.js';
import { defaultStateDir, openSessionId, openStateFolder } from './state-folder.js';
import { TaskStreams } from './streams/task-stream.js';
import { UnpushedAnswers } from './unpushed-answers.js';

/** What the steps of a running agent share. Only `session` and `claims` change, by their own methods. */
export interface AgentContext extends ClaimsContext {
  readonly reader: CloneReader;
  readonly queue: QueueView;
  readonly claims: Claims;
  /** Which tasks this agent may take. */
  readonly gate: TaskGate;
  readonly repair: CloneRepair;
  readonly clock: ClockWatch;
  /** Brings older history for conversations. */
  readonly deepening: Deepening;
  /** Streams what is generated. */
  readonly streams: TaskStreams;
  /** What the next ring brings. */
  readonly nextFetch: NextFetch;
  /** Keeps the clone small. */
  readonly maintenance: CloneMaintenance;
  /** Wakes the loop. */
  readonly notifier: Notifier;
  /** Aborts when the agent is to end, because it was asked to or because it failed. */
  readonly signal: AbortSignal;
  /** Closes what the agent holds open: the reader, the streams, the connection, the state folder. */
  close(): Promise<void>;
}

/**
 * Opens what an agent works with, and waits where a failure passes by itself:
 * 1. the connection to the bridge;
 * 2. the state folder, which is ours alone from then on; `failed` is aborted if it is lost;
 * 3. the clone in it, and the answers that an earlier run left there.
 * Throws BridgeError, and the reason of a signal that aborts.
 */
export async function openAgent(options: AgentOptions, failed: AbortController): Promise<AgentContext> {
  const { log, once } = options;
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const connection = await outlast(() => openConnection(options.repo, options.env, options.ssh), options);
  const dir = path.resolve(options.stateDir ?? defaultStateDir(connection.address.url));
  const onLost = (error: Error) => failed.abort(error);
  const onLocked = () =>
    log('info', 'the state folder is locked; waiting in case its agent is about to end', { event: 'locked' });
  const folder = await openStateFolder(dir, signal, onLost, onLocked);
  try {
    const id = await openSessionId(dir);
    const onBusy = () =>
      log('info', 'waiting for a git that is at work in the clone, of an agent that was killed', {
        event: 'clone-busy',
      });
    const open = () => openSoundClone(folder.cloneDir, connection.env, onBusy);
    const { clone, reader, finished } = await outlast(open, { log, signal, once });
    const session = new AgentSession({
      id,
      name: options.name ?? '',
      unpushed: new UnpushedAnswers(finished),
    });
    const queue = new QueueView(clone, reader);
    const notifier = createNotifier();
    const ask = (due: Due) => {
      session.wants(due);
      notifier.ring();
    };
    const streams = new TaskStreams(connection);
    const nextFetch = new NextFetch({ connection, clone, reader });
    const core = { options, connection, clone, reader, session, queue, ask };
    return {
      ...core,
      claims: new Claims(core),
      gate: new TaskGate({
        ...{ generate: options.generate, afterMs: options.afterMs },
        limitsOf: (task) => queue.limitsOf(task),
        onLeft: (task, why) =>
          log('info', `task ${shortId(task)}: left: ${why}`, { event: 'task-left', task }),
      }),
      repair: new CloneRepair(core),
      clock: watchClock(),
      deepening: createDeepening(clone.gitDir, () => ask('fetch')),
      streams,
      nextFetch,
      maintenance: cloneMaintenance(clone),
      notifier,
      signal,
      async close() {
        reader.close();
        await Promise.all([streams.close(), nextFetch.close()]);
        await closeConnection(connection).finally(() => folder.release());
      },
    };
  } catch (error) {
    await folder.release();
    throw error;
  }
}

/** Opens the clone and reads the answers that wait in it. A clone that is damaged is made again first. */
async function openSoundClone(dir: string, env: NodeJS.ProcessEnv, onWait: () => void) {
  for (let isNew = false; ; isNew = true) {
    const reader = openCloneReader({ gitDir: dir, env });
    try {
      const clone = await openOwnClone(dir, env, onWait);
      return { clone, reader, finished: await listFinished(clone, reader) };
    } catch (error) {
      reader.close();
      if (isNew || (await isSound({ gitDir: dir, env }))) throw error;
      await replaceClone({ gitDir: dir, env });
    }
  }
}
