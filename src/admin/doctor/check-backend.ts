import type { GenerateSettings } from '../../agent/agent-options.js';
import { type Backend, BackendError, type ListedModel } from '../../agent/backends/backend.js';
import { BACKENDS, backendNamed } from '../../agent/backends/backends.js';
import { isCloudName } from '../../agent/backends/cloud-model.js';
import { nameModels, withoutModel } from '../../agent/backends/name-models.js';
import type { GenerationOutcome } from '../../agent/compose-answer.js';
import { bestModel } from '../../agent/generate/choose-model.js';
import { generateAnswer } from '../../agent/generate/generate-answer.js';
import { timeLimit } from '../../process/time-limit.js';
import { isCutShort } from '../../protocol/answer.js';
import { errorText } from '../../protocol/bridge-error.js';
import { formatDuration } from '../../protocol/duration.js';
import { broken, ok, skipped, type Verdict, warning } from './finding.js';

/** A list of models is a few lines from the same machine. Milliseconds. */
const LIST_TIMEOUT_MS = 10_000;

/** The most models that are named. */
const MAX_NAMED = 5;

/** A model server's answer to the question for its models: these, or the failure. */
export type BackendState =
  | { readonly backend: Backend; readonly models: readonly ListedModel[] }
  | { readonly backend: Backend; readonly error: string; readonly remedy: string };

/** Asks a model server which models it has. */
export async function askForModels(backend: Backend): Promise<BackendState> {
  const signal = timeLimit(LIST_TIMEOUT_MS);
  try {
    return { backend, models: await backend.listModels(signal) };
  } catch (error) {
    const text = signal.aborted ? `${backend.name} at ${backend.url}: says nothing` : errorText(error);
    const isRefused = error instanceof BackendError && error.code === 'backend_unauthorized';
    const { start } = backendNamed(backend.name).remedies;
    return { backend, error: text, remedy: isRefused ? backend.unauthorizedRemedy : start };
  }
}

/** Judges the model servers together: one that runs is enough. */
export function judgeReach(states: readonly BackendState[]): Verdict[] {
  const isAnyThere = states.some((state) => 'models' in state);
  return states.map((state) => {
    const { name, url } = state.backend;
    if ('models' in state) return ok(`${name} answers at ${url}`);
    if (isAnyThere) return ok(`${state.error}; not needed, as another one answers`);
    return broken(state.error, state.remedy);
  });
}

/** Judges whether there is a model to use: the named one, or any that answers without being named. */
export function judgeModels(
  states: readonly BackendState[],
  wanted: string | undefined,
  allowCloud: boolean,
): Verdict[] {
  const there = states.flatMap((state) => ('models' in state ? [state] : []));
  const verdicts = there.map(({ backend, models }) => {
    const { sameModel, remedies } = backendNamed(backend.name);
    if (models.length === 0) return broken(`${backend.name} has no model`, backend.noModelRemedy);
    const list = `${backend.name} has ${nameModels(models, MAX_NAMED)}`;
    if (wanted === undefined) {
      if (bestModel(models) !== null) return ok(list);
      return broken(`${backend.name}: ${withoutModel(models)}`, backend.noModelRemedy);
    }
    const found = models.find(({ name }) => sameModel(wanted, name));
    if (found?.isCloud === true || isCloudName(wanted)) {
      if (allowCloud) return ok(`${wanted} is asked in the cloud, as --allow-cloud says: ${list}`);
      return broken(
        `${wanted} does not run here, what is asked would go to a third party: ${list}`,
        'choose another one with --model, or if that is meant: --allow-cloud',
      );
    }
    if (found?.canChat === false) {
      return broken(`${wanted} cannot chat: ${list}`, 'choose another one with --model');
    }
    return found === undefined
      ? broken(`${wanted} is not installed: ${list}`, remedies.install(wanted))
      : ok(list);
  });
  // As with reaching them: one server that has a model is enough.
  return verdicts.some(({ status }) => status === 'ok')
    ? verdicts.map((verdict) => (verdict.status === 'ok' ? verdict : ok(`${verdict.text}; not needed`)))
    : verdicts;
}

/** The longest time for one word: loading a large model from a slow disk takes a minute or two. */
export const GENERATION_TIMEOUT_MS = 180_000;

/** A model that was asked for one word may go on for minutes, and only its first words are looked at. */
const MAX_TOKENS = 16;

/** Lets a model generate one word, as for a task. */
export async function checkGeneration(settings: GenerateSettings, now: () => number): Promise<Verdict> {
  const startedMs = now();
  let firstMs: number | null = null;
  const outcome = await generateAnswer(
    { prompt: 'Reply with one word: ready', options: { temperature: 0, max_tokens: MAX_TOKENS } },
    settings,
    new AbortController().signal,
    ({ type }) => {
      // Before it come signs that the server is there, while it may still load the model.
      if (type === 'piece') firstMs ??= now();
    },
  );
  const took = (fromMs: number) => formatDuration(fromMs - startedMs);
  // A model that thinks may spend all of its tokens on that.
  const isThinking = outcome.error?.code === 'empty_answer' && isCutShort(outcome) && firstMs !== null;
  if (outcome.error === null || isThinking) {
    const first = firstMs === null ? '' : `, the first token after ${took(firstMs)}`;
    const did = isThinking ? `thought for ${MAX_TOKENS} tokens` : 'answered';
    return ok(`${outcome.model} by ${outcome.backend} ${did} within ${took(now())}${first}`);
  }
  const { code, message } = outcome.error;
  if (code === 'timeout' && firstMs !== null) {
    return warning(
      `${outcome.model ?? 'the model'} began after ${took(firstMs)} and was not done after ${took(now())}`,
      'choose a smaller model with --model, or give it time: --total-timeout of the agent',
    );
  }
  return broken(
    `no answer came (${code}): ${message}`,
    `ask it without the bridge: ${directCommand(outcome)}`,
  );
}

function directCommand({ model, backend }: Pick<GenerationOutcome, 'model' | 'backend'>): string {
  const { remedies } = backend === null ? BACKENDS[0] : backendNamed(backend);
  return remedies.askDirectly(model);
}

/** The verdict where nothing is to be generated. */
export function generationNotWanted(): Verdict {
  return skipped('skipped, because of --no-generate');
}
