import { MAX_MODELS_BYTES, modelsRef, readModels } from '../protocol/models.js';
import type { OwnRefKind } from './own-ref.js';

/** An agent says which models it has. */
export const MODELS_KIND: OwnRefKind = {
  what: 'list of models',
  whoSays: 'say which models they have',
  refOf: modelsRef,
  maxBytes: MAX_MODELS_BYTES,
  read: readModels,
  remedy: 'see "Models" in docs/protocol.md',
};
