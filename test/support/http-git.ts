import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onCleanup } from './on-cleanup.js';

/** What a server of a test asks for, and tells. */
export interface HttpGitOptions {
  /** `name:password`, without which nothing is served. */
  readonly basic?: string;
  /** Called at the beginning of each request. */
  readonly onRequest?: () => void;
}

/**
 * Serves the repositories below a folder over http on the loopback, by git's own http-backend. Returns the
 * URL of the folder.
 */
export async function serveOverHttp(
  folder: string,
  env: Record<string, string>,
  options: HttpGitOptions = {},
): Promise<string> {
  const server = createServer((request, response) => {
    options.onRequest?.();
    const { basic } = options;
    if (
      basic !== undefined &&
      request.headers.authorization !== `Basic ${Buffer.from(basic).toString('base64')}`
    ) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="bridges"' }).end();
      return;
    }
    const { pathname, search } = new URL(request.url ?? '/', 'http://x');
    const cgi = spawn('git', ['http-backend'], {
      env: {
        ...env,
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: '1',
        REQUEST_METHOD: request.method ?? 'GET',
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        REMOTE_USER: 'somebody',
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    request.pipe(cgi.stdin);
    cgi.stdin.on('error', () => {});
    const chunks: Buffer[] = [];
    cgi.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    cgi.on('close', () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf('\r\n\r\n');
      for (const line of all.toString('latin1', 0, Math.max(end, 0)).split('\r\n')) {
        const [name = '', value = ''] = line.split(': ');
        if (name === 'Status') response.statusCode = Number(value.slice(0, 3));
        else if (name !== '') response.setHeader(name, value);
      }
      response.end(all.subarray(end + 4));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
