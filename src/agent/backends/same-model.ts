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
  // A colon in front of a slash is that of a registry's port.
  return lower.lastIndexOf(':') > lower.lastIndexOf('/') ? lower : `${lower}:latest`;
}

function partsOf(model: string): { publisher: string; name: string; quant: string } {
  const whole = model.toLowerCase().replace(/:\d+$/, '');
  const at = whole.indexOf('@');
  const [path, quant] = at < 0 ? [whole, ''] : [whole.slice(0, at), whole.slice(at + 1)];
  const slash = path.lastIndexOf('/');
  return { publisher: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1), quant };
}

function agree(left: string, right: string): boolean {
  return left === '' || right === '' || left === right;
}
