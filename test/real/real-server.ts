import type { Backend } from '../../src/agent/backends/backend.js';
import { BackendMemory } from '../../src/agent/backends/backend-memory.js';
import { type BackendName, backendNamed, openBackends } from '../../src/agent/backends/backends.js';
import type { GenerationOutcome } from '../../src/agent/compose-answer.js';
import { generateAnswer } from '../../src/agent/generate/generate-answer.js';
import { runRequest } from '../../src/agent/requests/run-request.js';
import type { TaskRequest } from '../../src/protocol/request.js';
import type { TaskJson } from '../../src/protocol/task.js';

/** A real model server that the tests are told of. */
export interface RealServer {
  readonly backend: BackendName;
  readonly url: string;
  readonly token: string | undefined;
}

/**
 * The server of this backend, from LLM_BRIDGE_REAL_OLLAMA, LLM_BRIDGE_REAL_LMSTUDIO or
 * LLM_BRIDGE_REAL_OPENAI, each an address as `agent` takes it; null where the variable is not set. The token
 * is in the same variable with `_TOKEN` behind it.
 */
export function realServer(backend: BackendName): RealServer | null {
  const variable = variableOf(backend);
  const url = process.env[variable] ?? '';
  if (url === '') return null;
  return { backend, url: backendNamed(backend).parseUrl(url), token: process.env[`${variable}_TOKEN`] };
}

/** Which variable says where the real server of a backend listens. */
export function variableOf(backend: BackendName): string {
  return `LLM_BRIDGE_REAL_${backend.toUpperCase()}`;
}

/** The backend that an agent opens for it. */
export async function openReal(server: RealServer): Promise<Backend> {
  const [backend] = await openBackends([server.backend], settingsOf(server));
  if (backend === undefined) throw new Error(`${server.backend} has no address`);
  return backend;
}

/** What an agent of this server answers to a task: at most a few tokens, always the same. */
export async function answerOf(
  server: RealServer,
  task: TaskJson,
  more: { maxContext?: number; memory?: BackendMemory; signal?: AbortSignal } = {},
): Promise<GenerationOutcome & { readonly lines: string[]; readonly pieces: string[] }> {
  const lines: string[] = [];
  const pieces: string[] = [];
  const { signal = new AbortController().signal, ...changes } = more;
  const settings = { ...agentOf(server), log: (line: string) => lines.push(line), ...changes };
  const asked = { ...task, options: { max_tokens: 16, temperature: 0, seed: 1, ...task.options } };
  const outcome = await generateAnswer(asked as TaskJson, settings, signal, (sign) => {
    if (sign.type === 'piece') pieces.push(sign.content);
  });
  return { ...outcome, lines, pieces };
}

/** What an agent of this server answers to a call, and the events that it said meanwhile. */
export async function callOf(server: RealServer, request: TaskRequest) {
  const events: string[] = [];
  const { signal } = new AbortController();
  const outcome = await runRequest({ id: 'real', request }, agentOf(server), signal, (sign) => {
    if (sign.type === 'event') events.push(sign.event);
  });
  return { ...outcome, events };
}

/** An agent that has this server alone. */
function agentOf(server: RealServer) {
  return {
    order: [server.backend],
    ...settingsOf(server),
    memory: new BackendMemory(),
    ...{ idleTimeoutMs: 280_000, totalTimeoutMs: 280_000, retryWindowMs: 0 },
  };
}

function settingsOf({ backend, url, token }: RealServer) {
  const tokens = token === undefined ? {} : { [backend]: token };
  return { [backendNamed(backend).urlKey]: url, tokens };
}
