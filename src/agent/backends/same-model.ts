import type { SameModel } from '../../bridge/wanted-model.js';
import { backendNamed, isBackendName } from './backends.js';

/**
 * Whether two spellings are one model, as that model server spells names. For a kind of server that only
 * other agents know, names are compared as they stand.
 */
export const sameModel: SameModel = (backend, asked, listed) =>
  isBackendName(backend) ? backendNamed(backend).sameModel(asked, listed) : asked === listed;
