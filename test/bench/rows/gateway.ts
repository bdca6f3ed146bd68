import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { stopProcessTree } from '../../../src/process/stop-process-tree.js';
import { waitUntil } from '../../support/wait-until.js';
import { startAgent } from '../bench-agent.js';
import { type Lab, type LabBridge, type Program, sshCommand } from '../lab.js';
import { usageOf } from '../process-usage.js';
import type { Figure } from '../report.js';
import type { Row } from '../row-context.js';
import { pairOrder, summarise } from '../statistics.js';

/** What a gateway may add to a first token: beside its bridge, and elsewhere. Milliseconds. */
const BESIDE_MS = 80;
const OVER_SSH_MS = 120;

/** How many clients there are at once, and how many of them are heard live. */
const STREAMS = 200;
const LIVE = { 'beside the bridge': 200, 'over SSH': 20 } as const;

/** What one agent answers at a time at most. */
const EACH = 64;

/** Between two questions: the agent still pushes and fetches for a moment. Milliseconds. */
const SETTLE_MS = 400;

/** What the gateway may hold, idle and with all of those streams. MB. */
const IDLE_MB = 120;
const STREAMING_MB = 250;

/** Questions at once, and how many of them are to be in history in a second. */
const QUESTIONS = 900;
const ASKS_PER_SECOND = 300;

const PLACES = ['beside the bridge', 'over SSH'] as const;
type Place = (typeof PLACES)[number];

interface BenchGateway {
  readonly url: string;
  readonly pid: number;
  /** What it has written, and whether it has ended. */
  said(): string;
  stop(): Promise<void>;
}

/** What a client waits longer for its first token than one that asks the model server itself. */
export const gatewayFirstTokenRow: Row = async ({ lab, program, options, shortBridge }) => {
  const bridge = await shortBridge('gateway-first-token');
  const agent = await startAgent(lab, program, bridge);
  lab.standIn.behave = () => ({ answer: 'one two three' });
  const figures: Figure[] = [];
  for (const place of PLACES) {
    const gateway = await startGateway(lab, program, bridge, place);
    const through: number[] = [];
    const direct: number[] = [];
    for (let run = -2; run < (options.runs ?? 20); run += 1) {
      for (const which of pairOrder(Math.abs(run))) {
        const url = which === 'a' ? gateway.url : lab.standIn.ollamaUrl;
        const { first, end } = hear(url, `${place} ${run}`);
        const heardMs = await first;
        await end;
        // What follows an answer is no part of the next question.
        await sleep(SETTLE_MS);
        if (run >= 0) (which === 'a' ? through : direct).push(heardMs);
      }
    }
    await gateway.stop();
    const directMs = summarise(direct).median;
    const value = summarise(through.map((ms) => ms - directMs));
    const mostMs = place === 'over SSH' ? OVER_SSH_MS : BESIDE_MS;
    figures.push({
      row: 'gateway-first-token',
      what: `first token at a client of a gateway ${place}, beyond asking the model server itself`,
      ...{ unit: 'ms', value, against: `${directMs.toFixed(1)} ms there` },
      ...{ target: `≤ ${mostMs} ms`, reached: value.median <= mostMs },
    });
  }
  await agent.stop();
  return figures;
};

/** Whether all of many clients are heard live at once, and what the gateway holds then. */
export const gatewayStreamsRow: Row = async ({ lab, program, shortBridge }) => {
  const bridge = await shortBridge('gateway-streams');
  const here = { ...bridge, sshUrl: bridge.repoPath, agentEnv: lab.env };
  const agents = [];
  for (let at = 0; at * EACH < STREAMS; at += 1)
    agents.push(await startAgent(lab, program, here, ['--parallel', String(EACH), '--name', `bench-${at}`]));
  const figures: Figure[] = [];
  for (const place of PLACES) {
    const live = LIVE[place];
    const gateway = await startGateway(lab, program, bridge, place);
    // What it loaded to start is given back by then.
    await sleep(5_000);
    const idle = await usageOf([gateway.pid]);
    let open = () => {};
    const rest = new Promise<void>((resolve) => {
      open = resolve;
    });
    // By the question: a task may be begun twice.
    lab.standIn.behave = ({ question }) =>
      Number(/\d+$/.exec(question)?.[0]) < live
        ? { answer: 'one two '.repeat(200), pause: { afterChunks: 100, until: rest } }
        : { firstTokenAfter: rest, answer: 'one' };
    const clients = Array.from({ length: STREAMS }, (_, at) => hear(gateway.url, `${place} stream ${at}`));
    const silent = new Map<number, string>(clients.slice(0, live).map((_, at) => [at, 'nothing came']));
    for (const [at, { first }] of clients.entries())
      void first
        .then(() => silent.delete(at))
        .catch((error) => silent.has(at) && silent.set(at, `${error} (${error?.cause})`));
    const heard = () => live - silent.size;
    const startedMs = performance.now();
    await waitUntil(() => heard() >= live, `${live} live streams ${place}`, 90_000).catch((error) => {
      const why = [...silent].map(([at, text]) => `${at}: ${text}`).join(', ');
      throw new Error(`${heard()} of ${live} streams are live ${place}; ${why}; ${gateway.said()}`, {
        cause: error,
      });
    });
    const tookMs = performance.now() - startedMs;
    const busy = await usageOf([gateway.pid]);
    open();
    const ends = await Promise.all(clients.map(({ end }) => end));
    const broken = ends.filter((text) => !text.includes('[DONE]'));
    if (broken.length > 0)
      throw new Error(`${broken.length} streams broke off, the first with ${broken[0]?.slice(-150)}`);
    await gateway.stop();
    figures.push(
      {
        row: 'gateway-streams',
        what: `memory of a gateway ${place}, idle`,
        ...{ unit: 'MB', value: summarise([idle.megabytes]) },
        ...{ target: `≤ ${IDLE_MB} MB`, reached: idle.megabytes <= IDLE_MB },
      },
      {
        row: 'gateway-streams',
        what: `… with ${STREAMS} clients, of which ${live} are heard live`,
        ...{ unit: 'MB', value: summarise([busy.megabytes]) },
        against: `all live after ${(tookMs / 1000).toFixed(1)} s`,
        ...{ target: `≤ ${STREAMING_MB} MB`, reached: busy.megabytes <= STREAMING_MB },
      },
    );
  }
  for (const agent of agents) await agent.stop();
  return figures;
};

/** How many questions of as many clients are in history in a second. */
export const gatewayAsksRow: Row = async ({ lab, program, shortBridge }) => {
  const bridge = await shortBridge('gateway-asks');
  const gateway = await startGateway(lab, program, bridge, 'beside the bridge');
  const leaving = new AbortController();
  const text = 'word '.repeat(200);
  const commits = async () => Number(await lab.git(bridge.repoPath, ['rev-list', '--count', 'main']));
  const before = await commits();
  const startedMs = performance.now();
  for (let at = 0; at < QUESTIONS; at += 1)
    void fetch(`${gateway.url}/v1/chat/completions`, {
      ...asking(`${at} ${text}`, false),
      signal: leaving.signal,
    }).catch(() => {});
  await waitUntil(async () => (await commits()) - before >= QUESTIONS, 'all are in history', 60_000);
  const seconds = (performance.now() - startedMs) / 1000;
  leaving.abort();
  await gateway.stop();
  const rate = QUESTIONS / seconds;
  return [
    {
      row: 'gateway-asks',
      what: `${QUESTIONS} clients ask at once`,
      ...{ unit: 'asks/s', value: summarise([rate]) },
      ...{ target: `≥ ${ASKS_PER_SECOND} in history a second`, reached: rate >= ASKS_PER_SECOND },
    },
  ];
};

function asking(content: string, stream: boolean): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content }], stream }),
  };
}

/** `first`: how long until something is said, in milliseconds. `end`: all that came. */
function hear(
  url: string,
  question: string,
): { readonly first: Promise<number>; readonly end: Promise<string> } {
  const startedMs = performance.now();
  let heard = (_ms: number) => {};
  let failed = (_error: unknown) => {};
  const first = new Promise<number>((resolve, reject) => {
    heard = resolve;
    failed = reject;
  });
  const read = async () => {
    const response = await fetch(`${url}/v1/chat/completions`, asking(question, true));
    let text = '';
    for await (const bytes of response.body ?? []) {
      text += Buffer.from(bytes).toString('utf8');
      if (text.includes('"content":"one')) heard(performance.now() - startedMs);
    }
    failed(new Error(`nothing was said: ${response.status} ${text.slice(0, 200)}`));
    return text;
  };
  const end = read();
  end.catch(failed);
  first.catch(() => {});
  return { first, end };
}

async function startGateway(
  lab: Lab,
  program: Program,
  bridge: LabBridge,
  place: Place,
): Promise<BenchGateway> {
  const isHere = place === 'beside the bridge';
  const env = isHere ? lab.env : await askerOf(lab, bridge);
  const repo = isHere ? bridge.repoPath : bridge.sshUrl;
  const words = ['serve', '--repo', repo, '--listen', '127.0.0.1:0'];
  const child = spawn(program[0], [program[1], ...words], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const pid = child.pid ?? Number.NaN;
  let hasEnded = false;
  child.once('close', () => {
    hasEnded = true;
  });
  const stop = () => stopProcessTree(child);
  lab.defer(stop);
  const url = await waitUntil(() => {
    if (hasEnded) throw new Error(`the gateway ended: ${said}`);
    return /listening on (\S+)/.exec(said)?.[1];
  }, 'the gateway listens');
  return { url, pid, said: () => `${hasEnded ? 'it ended: ' : ''}${said}`, stop };
}

/** The environment of an asker with a key of its own. */
async function askerOf(lab: Lab, bridge: LabBridge): Promise<Record<string, string>> {
  const key = await makeKeyPair(`${lab.dir}/gateway-${bridge.name}`, 'gate');
  const adding = ['--role', 'asker', '--key', key.publicKeyFile, '--authorized-keys', lab.authorizedKeysFile];
  await lab.program(['key', 'add', 'gate', ...adding, '--repo', bridge.repoPath]);
  return { ...lab.env, GIT_SSH_COMMAND: sshCommand(lab, key) };
}
