import { spawn } from 'node:child_process';
import { freePort } from '../../../src/demo/free-port.js';
import { sshOptionsFor } from '../../../src/demo/ssh-client.js';
import { waitUntil } from '../../support/wait-until.js';
import type { Row } from '../row-context.js';
import { summarise } from '../statistics.js';

/**
 * HTTP to the model through `ssh -R`: no record, no queue, and an answer only while the PC is there. Only
 * told.
 */
export const tunnelRow: Row = async ({ lab, options }) => {
  const port = await freePort();
  const target = new URL(lab.standIn.ollamaUrl);
  const args = [
    ...sshOptionsFor(lab.sshd, lab.plainKey.identityFile),
    ...['-N', '-R', `127.0.0.1:${port}:${target.host}`, `${lab.sshd.user}@${lab.sshd.host}`],
  ];
  const tunnel = spawn('ssh', args, { env: lab.env, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => tunnel.once('close', () => resolve()));
  lab.defer(async () => {
    tunnel.kill();
    await ended;
  });
  const url = `http://127.0.0.1:${port}/api/chat`;
  const ask = async (question: string): Promise<number> => {
    const body = JSON.stringify({
      model: 'llama3.2',
      stream: false,
      messages: [{ role: 'user', content: question }],
    });
    const startedAt = performance.now();
    const response = await fetch(url, { method: 'POST', body });
    if (!response.ok) throw new Error(`the tunnel answered ${response.status}`);
    await response.text();
    return performance.now() - startedAt;
  };
  await waitUntil(() => ask('What is 1 + 1?').catch(() => null), 'the tunnel is open');
  const ms: number[] = [];
  for (let run = 0; run < (options.runs ?? 100); run += 1) ms.push(await ask(`What is ${run} + 2?`));
  return [
    {
      row: 'tunnel',
      what: 'HTTP through ssh -R, without record and queue',
      unit: 'ms',
      value: summarise(ms),
      against: 'the price of the archive is the difference to the first row',
    },
  ];
};
