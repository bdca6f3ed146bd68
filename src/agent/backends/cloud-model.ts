import type { Backend } from './backend.js';
import { backendError } from './backend-failure.js';

/**
 * Whether a name is one by which Ollama hands a question on to the cloud, however it is written: the tag is
 * `cloud` or ends in `-cloud`, or there is no tag and the name ends so. Ollama ignores what Go takes for
 * white space: U+0085, but not U+FEFF. Here both are ignored.
 */
export function isCloudName(model: string): boolean {
  return /[:-]cloud$/.test(model.toLowerCase().replace(/[\s\u0085]/g, ''));
}

/**
 * Throws BackendError `cloud_model`: what is asked of this model would leave the machine. `why` says how
 * that is known.
 */
export function refuseCloudModel(backend: Pick<Backend, 'name' | 'url'>, model: string, why: string): never {
  const text = `${model} does not run here: ${why}. What is asked would go to a third party; the agent allows that only with --allow-cloud`;
  throw backendError(backend, 'cloud_model', text);
}
