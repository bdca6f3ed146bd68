import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { type PieceOrOutcome, stream } from '../../../src/index.js';
import { spawnProgram } from '../../../src/process/start-program.js';
import { startAgent } from '../bench-agent.js';
import { openConnection } from '../floor.js';
import { isFetch, isTakenAhead } from '../git-trace.js';
import { type Lab, type LabBridge, sshCommand } from '../lab.js';
import type { Figure } from '../report.js';
import type { Row } from '../row-context.js';
import { summarise } from '../statistics.js';

/** From the task on main to the first token at whoever asked, the model taking no time. Milliseconds. */
const FIRST_TOKEN_MS = 60;
/** From the first token of a line to the line. Milliseconds. */
const LINE_MS = 25;

const TOKENS_PER_SECOND = 2000;
const TOKEN_SECONDS = 5;

const nowMs = () => performance.timeOrigin + performance.now();

/** How long after the asking the first token is there, for an asker on the server and for one over ssh. */
export const firstTokenRow: Row = async ({ lab, program, options, shortBridge }) => {
  const bridge = await shortBridge('first-token');
  const bot = await askerOf(lab, bridge);
  const agent = await startAgent(lab, program, bridge);
  const sessionMs = await measureSession(lab, options.runs ?? 20);
  const figures: Figure[] = [];
  for (const [where, access] of [
    ['over SSH', { repo: bridge.sshUrl, env: bot }],
    ['on the server', { repo: bridge.repoPath, env: lab.env }],
  ] as const) {
    const times: { readonly fetch: number; readonly model: number; readonly token: number }[] = [];
    for (let run = -2; run < (options.runs ?? 20); run += 1) {
      let askedMs = Number.NaN;
      let modelMs = Number.NaN;
      let tokenMs = Number.NaN;
      lab.standIn.behave = () => {
        modelMs = nowMs();
        return { answer: 'one two three' };
      };
      const pieces = stream({
        ...access,
        task: { prompt: `token ${run} ${where}` },
        onAsked: () => {
          askedMs = nowMs();
        },
      });
      for await (const piece of pieces) if ('text' in piece && Number.isNaN(tokenMs)) tokenMs = nowMs();
      // What was held open for the fetch has no start of git: the moment is that at which it has brought it.
      const starts = (await agent.gitStarts()).filter((one) => isFetch(one) || isTakenAhead(one));
      const fetchMs = starts.find(({ atMs }) => atMs >= askedMs - 50)?.atMs ?? Number.NaN;
      if (run >= 0)
        times.push({ fetch: fetchMs - askedMs, model: modelMs - askedMs, token: tokenMs - askedMs });
    }
    const median = (of: 'fetch' | 'model' | 'token') => summarise(times.map((one) => one[of])).median;
    const value = summarise(times.map(({ token }) => token));
    const parts = [median('fetch'), median('model') - median('fetch'), median('token') - median('model')];
    const ways = parts.map((ms) => ms.toFixed(0));
    figures.push({
      row: 'first-token',
      what: `asked → first token at an asker ${where}`,
      unit: 'ms',
      value,
      against: `${(value.median / sessionMs).toFixed(1)} × a session on the open connection (${sessionMs.toFixed(1)} ms): to the fetch ${ways[0]}, to the model ${ways[1]}, to the asker ${ways[2]}`,
      target: `≤ ${FIRST_TOKEN_MS} ms`,
      reached: value.median <= FIRST_TOKEN_MS,
    });
  }
  await agent.stop();
  return figures;
};

/** Whether all of a fast model's tokens arrive, and how late each line is. */
export const tokensRow: Row = async ({ lab, program, shortBridge }) => {
  const bridge = await shortBridge('tokens');
  const bot = await askerOf(lab, bridge);
  const agent = await startAgent(lab, program, bridge);
  const tokens = Array.from({ length: TOKENS_PER_SECOND * TOKEN_SECONDS }, (_, at) => `w${at} `);
  const saidMs: number[] = [];
  let startMs = 0;
  lab.standIn.behave = () => ({
    answer: tokens.join(''),
    async beforeChunk(sent) {
      if (sent === 0) startMs = performance.now();
      const aheadMs = startMs + (sent * 1000) / TOKENS_PER_SECOND - performance.now();
      // A timer is no finer than a millisecond: what is due within it goes out now.
      if (aheadMs > 1) await sleep(aheadMs);
      saidMs[sent] = performance.now();
    },
  });
  const delays: number[] = [];
  let text = '';
  let count = 0;
  let answer: string | null = null;
  // A context that holds it all: in a smaller one the agent would have it generated once more.
  const task = { prompt: 'say it all', options: { num_ctx: 32_768 } };
  const pieces = stream({ repo: bridge.sshUrl, env: bot, task });
  for await (const piece of pieces as AsyncGenerator<PieceOrOutcome>) {
    if ('text' in piece) {
      delays.push(performance.now() - (saidMs[count] ?? Number.NaN));
      text += piece.text;
      count = text.split(' ').length - 1;
    } else if ('restart' in piece) throw new Error('a generation that was not asked for twice began twice');
    else if ('outcome' in piece && piece.outcome.status === 'answered') answer = piece.outcome.answer.answer;
  }
  if (text !== tokens.join('') || answer !== text) throw new Error('not all of the tokens arrived');
  const tookMs = (saidMs[tokens.length - 1] ?? Number.NaN) - (saidMs[0] ?? Number.NaN);
  await agent.stop();
  const value = summarise(delays);
  return [
    {
      row: 'tokens',
      what: `a line behind its first token, ${((tokens.length * 1000) / tookMs).toFixed(0)} tokens a second`,
      unit: 'ms',
      value,
      against: `${tokens.length} tokens in ${delays.length} lines, none lost`,
      target: `p95 ≤ ${LINE_MS} ms`,
      reached: value.p95 <= LINE_MS,
    },
  ];
};

/** The environment of an asker with a key of its own. */
async function askerOf(lab: Lab, bridge: LabBridge): Promise<Record<string, string>> {
  const key = await makeKeyPair(`${lab.dir}/asker-${bridge.name}`, 'bot');
  const adding = ['--role', 'asker', '--key', key.publicKeyFile, '--authorized-keys', lab.authorizedKeysFile];
  await lab.program(['key', 'add', 'bot', ...adding, '--repo', bridge.repoPath]);
  return { ...lab.env, GIT_SSH_COMMAND: sshCommand(lab, key) };
}

/** What a session on an open connection takes, with nothing in it: the floor. Median, milliseconds. */
async function measureSession(lab: Lab, runs: number): Promise<number> {
  const words = sshCommand(lab, lab.plainKey, await openConnection(lab, 'session'));
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startedMs = performance.now();
    const target = `${lab.sshd.user}@${lab.sshd.host}`;
    const child = spawnProgram(['sh', '-c', `exec ${words} ${target} true`], 'ignore', { env: lab.env });
    await once(child, 'exit');
    times.push(performance.now() - startedMs);
  }
  return summarise(times).median;
}
