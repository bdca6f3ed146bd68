import { lookup } from 'node:dns/promises';
import net from 'node:net';
import type { SshPlan } from '../../bridge/ssh-config.js';
import { oneLine } from '../../protocol/printable.js';
import { judgeSshServer } from './check-ssh-version.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** ssh itself gives up connecting after this time. Milliseconds. */
const CONNECT_TIMEOUT_MS = 20_000;

/** sshd sends its version before anything else, however busy it is. Milliseconds. */
const BANNER_TIMEOUT_MS = 5_000;

/** Checks whether the name of the server resolves to an address. */
export async function checkName({ hostname, isProxied }: SshPlan): Promise<Verdict> {
  if (isProxied) return ok(`${hostname} is reached by way of another host, which looks it up`);
  if (net.isIP(hostname) !== 0) return ok(`${hostname} is an address`);
  try {
    const { address } = await lookup(hostname);
    return ok(`${hostname} is ${address}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return broken(
      `the name ${hostname} cannot be resolved (${code ?? 'no reason'})`,
      `check the host in the address of the bridge, and whether this machine is online: ping -c 1 ${hostname}`,
    );
  }
}

/** Checks whether a server listens there, and whether it speaks SSH. */
export async function checkPort({ hostname, port, isProxied }: SshPlan): Promise<Verdict> {
  if (isProxied) return ok('reached by way of another host');
  const said = await readBanner(hostname, port);
  const at = `${hostname} port ${port}`;
  if ('code' in said) {
    const why =
      said.code === 'ECONNREFUSED'
        ? 'refuses connections: nothing listens there'
        : `cannot be reached (${said.code})`;
    return broken(
      `${at} ${why}`,
      'check the port in the address of the bridge (ssh://user@host:2222/path); on the server: sudo systemctl status ssh; look at the firewall',
    );
  }
  if (!said.banner.startsWith('SSH-'))
    return broken(
      `${at} is open, but what listens there is no SSH server: it says ${JSON.stringify(said.banner.slice(0, 60))}`,
      'check the port in the address of the bridge',
    );
  const { status, text, remedy } = judgeSshServer(said.banner);
  return status === 'warning' && remedy !== null
    ? warning(text, remedy)
    : { status, text: status === 'ok' ? `${at} is open: ${text}` : text, remedy };
}

function readBanner(host: string, port: number): Promise<{ banner: string } | { code: string }> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
    let said = '';
    const end = (result: { banner: string } | { code: string }) => {
      socket.destroy();
      resolve(result);
    };
    // An SSH server speaks first. A silent server is of another kind, and waits for us to speak.
    socket.on('connect', () => socket.setTimeout(BANNER_TIMEOUT_MS));
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      // Lines may come before the version (RFC 4253, 4.2).
      const line = said.split('\n').find((one) => one.startsWith('SSH-'));
      if (line !== undefined || said.length > 1024) end({ banner: oneLine(line ?? said) });
    });
    socket.on('end', () => end(said === '' ? { code: 'closed at once' } : { banner: oneLine(said) }));
    socket.on('timeout', () => end(socket.connecting ? { code: 'timeout' } : { banner: oneLine(said) }));
    socket.on('error', (error: NodeJS.ErrnoException) => end({ code: error.code ?? error.message }));
  });
}
