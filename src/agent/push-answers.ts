import { connectBridge } from '../bridge/connection.js';
import { updateElsewhere } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../protocol/limits.js';
import { shortId } from '../protocol/names.js';
import { type AgentSession, setDue } from './agent-session.js';
import { dropFinished, keepFinished } from './clone/finished-answers.js';
import { composeAnswer } from './generate/compose-answer.js';
import { publish } from './publish.js';

/**
 * Pushes finished answers on top of `tip`, once. `raced`: it lost against another push, and a fetch is due; `settled`: whatever came of
 * it is dealt with. Throws BridgeError for a refusal that is not about one answer; `retryable` where it may pass.
 */
export async function pushFinished(
  session: AgentSession,
  tip: string,
  signal: AbortSignal,
): Promise<'raced' | 'settled'> {
  const { clone, reader, options } = session;
  const context = {
    clone,
    reader,
    url: session.connection.address.url,
    agent: session.name,
    now: () => session.serverNow(),
    claims: session.claims,
    signal,
  };
  await connectBridge(session.connection, signal);
  const outcome = await publish(context, tip, session.finished);
  if (outcome.status === 'pushed') {
    session.tip = outcome.tip;
    return 'settled';
  }
  if (outcome.status === 'raced') {
    setDue(session, 'fetch');
    return 'raced';
  }
  const { taskId, refusal } = outcome;
  const said = `task ${shortId(taskId)}: the server refused the answer: ${refusal.text}`;
  switch (refusal.code) {
    case 'answered':
    case 'expired':
    case 'unknown-task':
      options.log('info', said, { event: 'answer-refused', task: taskId, code: refusal.code });
      session.settled.add(taskId);
      session.finished = session.finished.filter((one) => one.taskId !== taskId);
      await dropFinished(clone, [taskId]);
      setDue(session, 'fetch');
      return 'settled';
    case 'payload':
    case 'limit':
    case 'message':
    case 'shape':
      await replaceRefused(session, taskId, refusal.text, said);
      return 'settled';
    case 'clock':
      // The clocks drifted apart since the server was asked: ask again, and date the answer anew.
      session.terms = null;
      throw new BridgeError(said, { code: 'refused-clock', remedy: refusal.remedy, retryable: true });
    case 'internal':
      throw new BridgeError(said, { code: 'refused-internal', remedy: refusal.remedy, retryable: true });
    default:
      throw new BridgeError(said, { code: `refused-${refusal.code}`, remedy: refusal.remedy });
  }
}

/**
 * The asker is owed a word: an answer that the server will not have is replaced by an error that says so. Where it will not have that
 * either, the task is left alone, with its answer in the clone, and the others go on.
 */
async function replaceRefused(
  session: AgentSession,
  taskId: string,
  text: string,
  said: string,
): Promise<void> {
  const refused = session.finished.find((one) => one.taskId === taskId);
  if (refused === undefined || refused.answer.error?.code === 'answer_refused') {
    session.options.log(
      'error',
      `${said}; nor will it have an error; try: ${updateElsewhere('the server and the PC')}`,
      { event: 'answer-refused', task: taskId },
    );
    session.settled.add(taskId);
    session.finished = session.finished.filter((one) => one.taskId !== taskId);
    return;
  }
  session.options.log('warn', said, { event: 'answer-refused', task: taskId });
  const { answer } = refused;
  const frame = {
    taskId,
    hash: answer.task_hash,
    task: null,
    agent: session.name,
    latencyMs: answer.latency_ms,
    nowMs: session.serverNow(),
    maxAnswerBytes: session.terms?.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  };
  const replaced = await keepFinished(
    session.clone,
    composeAnswer(frame, {
      model: answer.model,
      backend: answer.backend,
      answer: null,
      error: { code: 'answer_refused', message: `the server refused the answer: ${text}` },
    }),
  );
  session.finished = session.finished.map((one) => (one.taskId === taskId ? replaced : one));
}
