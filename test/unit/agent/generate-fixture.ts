import type { GenerateSettings } from '../../../src/agent/agent-options.js';
import type { Backend } from '../../../src/agent/backends/backend.js';
import type { BackendName } from '../../../src/agent/backends/backends.js';
import { lmstudioBackend } from '../../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../../../src/agent/backends/ollama/ollama-backend.js';
import { openaiBackend } from '../../../src/agent/backends/openai/openai-backend.js';
import type { GenerationOutcome } from '../../../src/agent/compose-answer.js';
import { generateAnswer } from '../../../src/agent/generate/generate-answer.js';
import { freePort } from '../../../src/demo/free-port.js';
import {
  type StandIn,
  type StandInOptions,
  startStandIn,
} from '../../../src/demo/stand-in/start-stand-in.js';
import type { TaskJson } from '../../../src/protocol/task.js';
import { onCleanup } from '../../support/on-cleanup.js';

export const BACKENDS = ['ollama', 'lmstudio', 'openai'] as const satisfies readonly BackendName[];

type OfEach = Readonly<Record<(typeof BACKENDS)[number], string>>;

/** The model the stand-in has on each wire. */
export const MODEL: OfEach = {
  ollama: 'llama3.2:latest',
  lmstudio: 'llama-3.2-3b-instruct',
  openai: 'Llama-3.2-3B-Instruct-Q4_K_M.gguf',
};

/** Where each wire's chat requests go. */
export const CHAT_PATH: OfEach = {
  ollama: '/api/chat',
  lmstudio: '/v1/chat/completions',
  openai: '/openai/v1/chat/completions',
};

/** A stand-in that is closed after the test. */
export async function standInFor(options: StandInOptions = {}): Promise<StandIn> {
  const standIn = await startStandIn(options);
  onCleanup(() => standIn.close());
  return standIn;
}

/** An address nobody listens on. */
export async function deadUrl(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`;
}

/** Settings of an agent on the stand-in, with deadlines no test meets by accident and one try. */
export function settingsFor(
  standIn: Pick<StandIn, 'ollamaUrl' | 'lmstudioUrl' | 'openaiUrl'>,
  changes: Partial<GenerateSettings> = {},
): GenerateSettings {
  return {
    order: ['ollama', 'lmstudio'],
    ollamaUrl: standIn.ollamaUrl,
    lmstudioUrl: standIn.lmstudioUrl,
    openaiUrl: standIn.openaiUrl,
    idleTimeoutMs: 60_000,
    totalTimeoutMs: 60_000,
    retryWindowMs: 0,
    ...changes,
  };
}

/** `generateAnswer` with nobody to abort it and nobody to listen. */
export async function answerTo(task: TaskJson, settings: GenerateSettings): Promise<GenerationOutcome> {
  return await generateAnswer(task, settings, new AbortController().signal, () => {});
}

/** A backend of this name at the stand-in, or at these addresses. */
export function backendAt(
  name: (typeof BACKENDS)[number],
  urls: Pick<StandIn, 'ollamaUrl' | 'lmstudioUrl' | 'openaiUrl'>,
): Backend {
  if (name === 'ollama') return ollamaBackend(urls.ollamaUrl);
  return name === 'lmstudio' ? lmstudioBackend(urls.lmstudioUrl) : openaiBackend(urls.openaiUrl);
}

/** The same address for each. */
export function allAt(url: string): Pick<StandIn, 'ollamaUrl' | 'lmstudioUrl' | 'openaiUrl'> {
  return { ollamaUrl: url, lmstudioUrl: url, openaiUrl: url };
}

/** The bodies of the chat requests a stand-in got, in order. */
export function chatBodies(standIn: StandIn): unknown[] {
  const paths: readonly string[] = Object.values(CHAT_PATH);
  return standIn.requests.filter((request) => paths.includes(request.path)).map((request) => request.body);
}

/** A promise to be settled by hand: what slow servers in tests wait for. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
