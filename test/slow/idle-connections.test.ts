import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { startCli } from '../support/cli.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startPlainBridge } from '../support/plain-bridge.js';
import { waitUntil } from '../support/wait-until.js';

const CONNECTIONS = 10_000;
const AT_ONCE = 100;
/** Half of them say nothing; the others begin a call, and go on so slowly that it never ends. */
const BEGINNING = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A: ';

/** The memory that a process has now. Bytes. */
async function memoryOf(pid: number): Promise<number> {
  const [, kib = ''] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

test.runIf(process.platform === 'linux')(
  'ten thousand connections that say nothing, or say it slowly, keep nobody out, and are let go',
  async () => {
    const bridge = await startPlainBridge();
    const listen = ['--listen', '127.0.0.1:0'];
    const serve = await startCli(['serve', '--repo', bridge.repoPath, ...listen], { env: bridge.env });
    const [, url = ''] = await serve.waitFor('stderr', /listening on (http:\/\/127\.0\.0\.1:\d+)/);
    const isServed = async () => (await fetch(`${url}/health`)).status === 200;
    expect(await isServed()).toBe(true);
    const idleBytes = await memoryOf(serve.pid);
    const open = new Set<Socket>();
    onCleanup(() => {
      for (const socket of open) socket.destroy();
    });
    const port = Number(new URL(url).port);
    const drip = setInterval(() => {
      for (const socket of open) if (socket.bytesWritten > 0) socket.write('a');
    }, 1_000);
    onCleanup(() => clearInterval(drip));
    let made = 0;
    let mostBytes = 0;
    while (made < CONNECTIONS) {
      const wave = Array.from({ length: AT_ONCE }, async (_, at) => {
        const socket = connect(port, '127.0.0.1');
        open.add(socket);
        socket.on('error', () => {}).resume();
        socket.once('close', () => open.delete(socket));
        await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
        if (at % 2 === 0) socket.write(BEGINNING);
      });
      await Promise.all(wave);
      made += AT_ONCE;
      if (made % 1_000 !== 0) continue;
      const askedAtMs = performance.now();
      expect(await isServed()).toBe(true);
      const tookMs = performance.now() - askedAtMs;
      const bytes = await memoryOf(serve.pid);
      mostBytes = Math.max(mostBytes, bytes);
      const mib = (bytes / 1024 / 1024).toFixed(0);
      console.log(`${made} connections: served in ${tookMs.toFixed(0)} ms, ${open.size} open, ${mib} MiB`);
    }
    // 2,048 are kept; what each costs is bounded.
    expect(mostBytes - idleBytes).toBeLessThan(150 * 1024 * 1024);
    const allGone = () => open.size === 0;
    await waitUntil(allGone, 'all are let go, by whom nothing is said', 60_000);
    expect(await isServed()).toBe(true);
  },
  300_000,
);
