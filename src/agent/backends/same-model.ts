/**
 * Whether `answered` is the model that was asked for, as Ollama spells names: case aside, and without a tag it is the one
 * tagged `latest`.
 */
export function sameOllamaModel(asked: string, answered: string): boolean {
  return tagged(asked) === tagged(answered);
}

/**
 * Whether `answered` is the model that was asked for, as LM Studio spells names: `publisher/name@quant:instance`, of which
 * all but the name may be missing on either side. Where both sides have a publisher or a quant, they have to agree; the
 * instance never matters.
 */
export function sameLmstudioModel(asked: string, answered: string): boolean {
  const left = partsOf(asked);
  const right = partsOf(answered);
  return left.name === right.name && agree(left.publisher, right.publisher) && agree(left.quant, right.quant);
}

function tagged(model: string): string {
  const lower = model.toLowerCase();
  return /:[^/]*$/.test(lower) ? lower : `${lower}:latest`;
}

function partsOf(model: string): { publisher: string; name: string; quant: string } {
  const [, path = '', quant = ''] = /^([^@]*)@?(.*)$/s.exec(model.toLowerCase().replace(/:\d+$/, '')) ?? [];
  const slash = path.lastIndexOf('/');
  return { publisher: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1), quant };
}

function agree(left: string, right: string): boolean {
  return left === '' || right === '' || left === right;
}
