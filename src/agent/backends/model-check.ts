import type { Backend, GenerateRequest } from './backend.js';
import { backendError } from './backend-failure.js';

/** How a server that may answer with another model than asked spells the names of models. */
export interface ModelRules {
  /** Whether two spellings are one model. */
  sameModel(asked: string, listed: string): boolean;
  /** The names by which the server lists the model that is asked. */
  readonly names?: readonly string[] | undefined;
  /** What makes the server answer with that model, to follow `;`. */
  remedy?(model: string): string;
}

/**
 * Makes the check of the model that a server says it answers with. The check throws the BackendError
 * `wrong_model` where a request insists on its model and another one answers.
 */
export function modelCheck(
  about: Pick<Backend, 'name' | 'url'>,
  { model, strictModel }: Pick<GenerateRequest, 'model' | 'strictModel'>,
  { sameModel, names = [], remedy }: ModelRules,
): (answering: string) => void {
  return (answering) => {
    if (!strictModel || [model, ...names].some((name) => sameModel(name, answering))) return;
    const hint = remedy === undefined ? '' : `; ${remedy(model)}`;
    throw backendError(about, 'wrong_model', `${model} was asked, and ${answering} answered${hint}`);
  };
}
